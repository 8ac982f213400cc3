"""``mmowner explore --cluster``: a scope too large for one process, explored by Dask workers.

Level by level: workers expand the worlds of the last level, then sift out of what they found
the worlds that are new.  Worlds are in files (:mod:`._cluster_files`), split into shards by
their checksum; what Dask sends are only names of files and counts, so the death of a worker
costs the tasks that it was at, and Dask gives those to others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from mmowner_reference import DEFAULT, DIALECTS, Bounds, Dialect, Space

from ._cluster_files import Checkpoint, Piece, expand, sift, verify
from .errors import CallError, MissingPrerequisite, MMOwnerError

#: Runs a function with each of several arguments, anywhere, and returns the results in order.
Engine = Callable[[Callable[..., Any], Sequence[tuple[Any, ...]]], list[Any]]

#: At least so many worlds, or candidates, are one task: fewer take less time than to send them.
_EXPAND: Final = 500
_SIFT: Final = 20_000
#: Shards of an exploration on few workers.
_SHARDS: Final = 64
#: Seconds until a scheduler must have answered, and until it must have a worker.
_PATIENCE: Final = 10
_LOCAL: Final = "local:"


def explore_on_cluster(
    bounds: Bounds, dialect: str | Dialect = DEFAULT, *, cluster: Any,
    checkpoint: Path | None = None, progress: Callable[[Space], None] | None = None,
) -> Space:  # fmt: skip
    """Visit every world of *dialect* within *bounds* and return the counts, those of ``explore``.

    *cluster* is ``"local:N"`` (N processes of this machine), the address of a Dask scheduler,
    or a ``distributed.Client``.  *checkpoint* is a directory that all workers see: what it
    holds of this exploration is not done again.  Without it a local one uses a temporary
    directory.  *progress* is called after each level.

    Raises :class:`MissingPrerequisite` without Dask; :class:`CallError` when no cluster is there,
    or *checkpoint* holds something else, or is damaged; :class:`MMOwnerError` when workers die
    again and again.
    """
    local = isinstance(cluster, str) and cluster.startswith(_LOCAL)
    if checkpoint is None and not local:
        raise CallError(
            "explore: a cluster needs a directory that all its workers see: give --checkpoint DIR"
        )
    row = DIALECTS[dialect] if isinstance(dialect, str) else dialect
    with ExitStack() as stack:
        client = stack.enter_context(_client(cluster))
        if checkpoint is None:
            checkpoint = Path(stack.enter_context(TemporaryDirectory(prefix="mmowner-")))
        shards = max(_SHARDS, 2 * sum(client.nthreads().values()))
        kept = Checkpoint(checkpoint, bounds, row, shards)
        return explore_with(_engine(client), kept, Space(row.name, bounds), progress)


def explore_with(
    engine: Engine, kept: Checkpoint, space: Space,
    progress: Callable[[Space], None] | None = None,
) -> Space:  # fmt: skip
    """Fill *space*: go on with what is *kept*, keep each level, until nothing is new."""
    job = kept.job
    known: list[list[Piece]] = [[] for _ in range(job.shards)]
    all_kept = [piece for level in kept.levels for piece in level.pieces]
    engine(verify, [(job, batch) for batch in _batches(all_kept, _SIFT)])
    for piece in all_kept:
        known[piece.shard].append(piece)
    space.levels = [level.worlds for level in kept.levels if level.pieces]
    space.states, space.transitions = sum(space.levels), kept.levels[-1].transitions
    while frontier := kept.levels[-1].pieces:
        number = len(kept.levels)
        results = engine(expand, [
            (job, batch, kept.work_name(number, str(at)))
            for at, batch in enumerate(_batches(frontier, _EXPAND))
        ])  # fmt: skip
        candidates: list[list[Piece]] = [[] for _ in range(job.shards)]
        for transitions, pieces in results:
            space.transitions += transitions
            for piece in pieces:
                candidates[piece.shard].append(piece)
        sifted = engine(sift, [
            (job, [(candidates[one], known[one]) for one in batch], kept.name(number, str(at)))
            for at, batch in enumerate(_shard_batches(candidates))
        ])  # fmt: skip
        new = [piece for pieces in sifted for piece in pieces]
        for piece in new:
            known[piece.shard].append(piece)
        level = kept.add(space.transitions, new)
        if level.pieces:
            space.levels.append(level.worlds)
            space.states += level.worlds
        if progress is not None:
            progress(space)
    space.closed = True
    return space


def _batches(pieces: Sequence[Piece], least: int) -> Iterator[list[Piece]]:
    """Put *pieces* together until a batch has *least* worlds."""
    batch: list[Piece] = []
    worlds = 0
    for piece in pieces:
        batch.append(piece)
        worlds += piece.worlds
        if worlds >= least:
            yield batch
            batch, worlds = [], 0
    if batch:
        yield batch


def _shard_batches(candidates: Sequence[Sequence[Piece]]) -> Iterator[list[int]]:
    """Put shards that have candidates together until a batch has enough of these."""
    batch: list[int] = []
    worlds = 0
    for shard, pieces in enumerate(candidates):
        if pieces:
            batch.append(shard)
            worlds += sum(piece.worlds for piece in pieces)
        if worlds >= _SIFT:
            yield batch
            batch, worlds = [], 0
    if batch:
        yield batch


# -- Dask ----------------------------------------------------------------------------------


@contextmanager
def _client(cluster: Any) -> Iterator[Any]:
    """Yield a client of *cluster*; what was started for it ends with it."""
    if not isinstance(cluster, str):
        yield cluster
        return
    local = cluster.startswith(_LOCAL)
    number = cluster.removeprefix(_LOCAL)
    if local and not (number.isdecimal() and int(number)):
        raise CallError(f"explore: --cluster {cluster}: local:N starts N processes, 1 or more")
    try:
        distributed = import_module("distributed")  # by name: it is an extra
    except ModuleNotFoundError as error:
        raise MissingPrerequisite(
            f"explore --cluster needs Dask ({error.name} is not installed)",
            'pip install "pytest-mmowner[cluster]"',
        ) from None
    if local:
        with (
            distributed.LocalCluster(
                n_workers=int(number), threads_per_worker=1, dashboard_address="127.0.0.1:0"
            ) as made,
            distributed.Client(made) as client,
        ):
            yield client
        return
    try:
        client = distributed.Client(cluster, timeout=_PATIENCE)
    except (OSError, ValueError) as error:
        raise CallError(
            f"explore: no Dask scheduler answers at {cluster} ({error}). It is started by "
            "`dask scheduler`, its workers by `dask worker ADDRESS`; local:N needs neither"
        ) from None
    with client:
        try:
            client.wait_for_workers(1, timeout=_PATIENCE)
        except TimeoutError:
            raise CallError(
                f"explore: the Dask scheduler at {cluster} has no workers: start some, "
                f"`dask worker {cluster}`"
            ) from None
        yield client


def _engine(client: Any) -> Engine:
    """Run tasks on the cluster of *client*; those of workers that die run again elsewhere."""
    distributed = import_module("distributed")

    def run(function: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
        # Files are no values: what was done once for the same names may have to be done again.
        futures = [client.submit(function, *words, pure=False) for words in arguments]
        try:
            results: list[Any] = client.gather(futures)
        except distributed.KilledWorker as error:
            raise MMOwnerError(
                f"explore: workers died again and again, each at the same task ({error}). "
                "Most often that is memory: give workers more, or start fewer on a machine. With "
                "--checkpoint nothing that was complete is lost: the same call goes on"
            ) from None
        except (ModuleNotFoundError, RuntimeError) as error:
            # Dask says so when its scheduler cannot import us; other such errors are the task's.
            if isinstance(error, RuntimeError) and "deserialization" not in str(error):
                raise
            raise MMOwnerError(
                f"explore: the cluster cannot run it ({' '.join(str(error).split())}). Install "
                "the same version of pytest-mmowner for its scheduler and for every worker"
            ) from error
        return results

    return run
