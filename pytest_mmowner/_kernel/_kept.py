"""What was scanned before is not scanned again: definitions by the text of their file.

Between two edits one file of some thirty changes.  What is kept is named by the text and by the
scanner, so it is never out of date.
"""

from __future__ import annotations

import contextlib
from functools import cache
from hashlib import blake2b
from pathlib import Path

import msgspec

from .._cache import cache_directory, new_file
from ._scan import Definition, definitions

#: A text shorter than this is scanned in the time that it takes to look for it.
SHORT = 2000


@cache
def _scanner() -> bytes:
    """A digest of the scanner itself."""
    digest = blake2b(digest_size=16)
    for name in ("_scan.py", "_scan_names.py"):
        digest.update(Path(__file__).with_name(name).read_bytes())
    return digest.digest()


def kept_definitions(text: str) -> list[Definition]:
    """Return what :func:`definitions` does, from the cache if it is there."""
    directory = cache_directory() if len(text) >= SHORT else None
    if directory is None:
        return definitions(text)
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16, key=_scanner())
    path = directory / f"scan-{digest.hexdigest()}.msgpack"
    # Whatever is wrong with it, it can be made anew.
    with contextlib.suppress(OSError, msgspec.MsgspecError):
        return msgspec.msgpack.decode(path.read_bytes(), type=list[Definition])
    found = definitions(text)
    with contextlib.suppress(OSError, UnicodeEncodeError), new_file(path) as writing:
        writing.write_bytes(msgspec.msgpack.encode(found))
    return found
