"""Get a Linux kernel and the agent ready: compile, pack, find the kernel, say how to start it.

Nothing here talks to the agent. The functions return paths and command lines; whoever
starts the command owns its three standard streams: requests, answers, kernel messages.
Start it with ``start_new_session=True``, so that killing the process group ends it all.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from .._cache import CACHE, cache_directory, new_file, own_directory
from .._compiler import COMPILERS, compiler_command
from ..errors import MissingPrerequisite

SOURCES = Path(__file__).parent
# Static: an initramfs holds no libraries. No PIE and no stack protector: the tasks share
# a thread pointer that is not theirs, and the addresses of the shared mappings are fixed.
CFLAGS = ("-std=c11", "-O2", "-fno-stack-protector", "-static", "-fno-pie")
LIBRARIES = ("-lpthread", "-Wl,-e,mmowner_entry")


# ---- the agent ----


def build_agent(cc: str | None = None, cache: Path | None = None) -> Path:
    """Compile the agent, or find it in the cache. ``cc`` may have arguments, as ``$CC`` may.

    Raises `MissingPrerequisite`.
    """
    compiler = _find_compiler(cc)
    sources = sorted(SOURCES.glob("*.c"))
    flags = [*CFLAGS, *map(str, sources), *LIBRARIES]
    digest = hashlib.sha256(_version_of(compiler))
    digest.update("\0".join((*compiler, *CFLAGS, *LIBRARIES)).encode())
    for path in sorted((*sources, *SOURCES.glob("*.h"))):
        digest.update(f"{path.name}\0".encode() + path.read_bytes() + b"\0")
    agent = _cache_dir(cache) / f"agent-{digest.hexdigest()[:16]}"
    if not agent.exists():
        with new_file(agent) as building:
            _compile([*compiler, *flags, "-o", str(building)])
            building.chmod(0o755)
    return agent


def _find_compiler(cc: str | None) -> tuple[str, ...]:
    asked = cc or os.environ.get("CC")
    with contextlib.suppress(ValueError):  # what is no command is no compiler either
        command = compiler_command(asked)
        if command:
            return command
    raise MissingPrerequisite(
        f"no C compiler ({asked or ', '.join(COMPILERS)})",
        "install gcc and the C library's static files (Debian: apt install gcc libc6-dev) "
        "or set CC",
    )


def _version_of(compiler: Sequence[str]) -> bytes:
    run = subprocess.run([*compiler, "--version"], capture_output=True, check=False)
    return run.stdout


def _compile(command: Sequence[str]) -> None:
    run = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if run.returncode == 0:
        return
    last = "\n".join((run.stderr or run.stdout).splitlines()[-20:])
    if "cannot find -lc" in last or "cannot find -lpthread" in last:
        raise MissingPrerequisite(
            "no static C library",
            "install it (Debian: apt install libc6-dev; Fedora: dnf install glibc-static)",
        )
    if "No such file or directory" in last and ".h" in last:
        raise MissingPrerequisite(
            "no headers of the C library or of Linux",
            f"install them (Debian: apt install libc6-dev linux-libc-dev)\n{last}",
        )
    raise MissingPrerequisite(
        f"{command[0]} cannot compile the agent",
        f"try another compiler by setting CC; it said:\n{last}",
    )


# ---- the cache ----


def _cache_dir(cache: Path | None) -> Path:
    # Ours alone: what lies there is executed, perhaps by root.
    found = cache_directory() if cache is None else own_directory(cache)
    if found is None:
        raise MissingPrerequisite(
            "no cache directory for the agent",
            f"set {CACHE} or XDG_CACHE_HOME to a directory that only you may write to",
        )
    return found


# ---- the initramfs ----


def build_initramfs(agent: Path, cache: Path | None = None) -> Path:
    """Pack the agent as ``/init`` of an initramfs; no root and no cpio program needed."""
    digest = hashlib.sha256(agent.read_bytes() + Path(__file__).read_bytes())
    image = _cache_dir(cache) / f"initramfs-{digest.hexdigest()[:16]}.gz"
    if not image.exists():
        with new_file(image) as building:
            building.write_bytes(gzip.compress(_initramfs(agent), compresslevel=1, mtime=0))
    return image


def _initramfs(agent: Path) -> bytes:
    entries = [
        *(_cpio(name, 0o040755) for name in ("dev", "proc", "sys", "tmp", "cgroup")),
        _cpio("dev/console", 0o020600, device=(5, 1)),
        _cpio("init", 0o100755, agent.read_bytes()),
        _cpio("TRAILER!!!", 0),
    ]
    return b"".join(entries)


def _cpio(name: str, mode: int, data: bytes = b"", device: tuple[int, int] = (0, 0)) -> bytes:
    """One member of a "newc" archive: 13 hexadecimal fields, name and data padded to 4."""
    encoded = name.encode() + b"\0"
    links = 1
    fields = (0, mode, 0, 0, links, 0, len(data), 0, 0, *device, len(encoded), 0)
    head = b"070701" + "".join(f"{field:08X}" for field in fields).encode() + encoded
    return _padded(head) + _padded(data)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)


# ---- linux:uml ----


def find_uml(path: str | None = None) -> Path:
    """The User Mode Linux kernel of ``linux:uml=PATH``, or the distribution's own."""
    hint = "apt install user-mode-linux, or name a kernel: linux:uml=PATH"
    if path:
        kernel = Path(path).expanduser()
        if not kernel.is_file():
            raise MissingPrerequisite(f"no User Mode Linux kernel at {kernel}", hint)
    else:
        found = shutil.which("linux.uml") or shutil.which("linux")
        if not found:
            raise MissingPrerequisite("no User Mode Linux kernel (linux.uml)", hint)
        kernel = Path(found)
    if not os.access(kernel, os.X_OK):
        raise MissingPrerequisite(f"{kernel} is not executable", f"chmod +x {kernel}")
    return kernel.absolute()


@contextlib.contextmanager
def uml_directory() -> Iterator[Path]:
    """A private directory for one UML's run-time files (``uml_dir=``), removed afterwards.

    The guard around UML removes it as well, for the case that we are killed.
    """
    path = Path(tempfile.mkdtemp(prefix="mmowner-uml-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def uml_command(
    kernel: Path,
    initramfs: Path,
    agent: Path,
    directory: Path,
    *,
    memory: str = "256M",
    cgroup: int | None = None,
    arguments: Sequence[str] = (),
) -> list[str]:
    """How to start the agent in UML; its serial line is our stdin and stdout.

    Kernel messages come on stderr. The agent is also the guard that UML runs under: when
    its stdin hangs up or it is killed, no process of UML stays behind. ``cgroup`` chooses
    v1 or v2 if both work.
    """
    return [
        str(agent),
        "--guard",
        str(directory),
        str(kernel),
        f"mem={memory}",
        f"initrd={initramfs}",
        "rdinit=/init",
        f"uml_dir={directory}",
        "umid=mmowner",
        "con=null",
        "con0=null,fd:2",
        "ssl=null",
        "ssl0=fd:0,fd:1",
        "quiet",
        *(() if cgroup is None else (f"MMOWNER_CGROUP={cgroup}",)),
        *arguments,
    ]


# ---- linux:host ----


def host_command(agent: Path) -> list[str]:
    """How to start the agent on the running kernel; checks first that it can work here."""
    if not sys.platform.startswith("linux"):
        raise MissingPrerequisite(
            f"linux:host needs a Linux kernel, this is {sys.platform}", "use another candidate"
        )
    if os.geteuid() != 0:
        raise MissingPrerequisite(
            "linux:host needs root (it makes memory cgroups and reads page frames)",
            "run as root, or use linux:uml, which needs no rights",
        )
    group = own_memory_cgroup()
    if group is None:
        raise MissingPrerequisite(
            "no memory cgroup hierarchy is mounted",
            "mount one (v1: mount -t cgroup -o memory none DIR; v2: mount -t cgroup2 none DIR), "
            "in a container give it its own; or use linux:uml",
        )
    if not os.access(group, os.W_OK) or os.statvfs(group).f_flag & os.ST_RDONLY:
        raise MissingPrerequisite(
            f"the memory cgroup {group} is not writable",
            "remount it writable (in a container: --privileged), or use linux:uml",
        )
    return [str(agent)]


def own_memory_cgroup(proc: Path = Path("/proc/self")) -> Path | None:
    """Return the directory of the memory cgroup that this process is in, v1 before v2."""
    try:
        mounts = (proc / "mountinfo").read_text(errors="replace").splitlines()
        groups = (proc / "cgroup").read_text(errors="replace").splitlines()
    except OSError:
        return None
    own = {name: path for _, name, path in (line.split(":", 2) for line in groups)}
    for kind in ("cgroup", "cgroup2"):
        for line in mounts:
            before, _, after = line.partition(" - ")
            shown, point = before.split()[3:5]
            type_, _, options = after.split(maxsplit=2)
            if type_ != kind or (kind == "cgroup" and "memory" not in options.split(",")):
                continue
            path = _group_path(own, kind)
            if path is None or (kind == "cgroup2" and not _has_memory(Path(point))):
                continue
            here = Path(point) / path.removeprefix(shown).lstrip("/")
            return here if here.is_dir() else Path(point)
    return None


def _group_path(own: dict[str, str], kind: str) -> str | None:
    for controllers, path in own.items():
        if "memory" in controllers.split(",") if kind == "cgroup" else not controllers:
            return path
    return None


def _has_memory(point: Path) -> bool:
    try:
        return "memory" in (point / "cgroup.controllers").read_text().split()
    except OSError:
        return False
