"""``mmowner explore --cluster``: the counts of a serial run, whatever dies on the way."""

import json
import os
import re
import shutil
import signal
import sys
from contextlib import suppress

import pytest

from mmowner_reference import DIALECTS, Bounds, Space, TooManyOutcomes, explore
from pytest_mmowner import _cluster
from pytest_mmowner._cluster import explore_on_cluster, explore_with
from pytest_mmowner._cluster_files import Checkpoint, expand, sift, write
from pytest_mmowner.errors import CallError, MMOwnerError

BOUNDS = Bounds(3, 2, 1, 1)


def serial(function, arguments):
    """An engine without a cluster."""
    return [function(*words) for words in arguments]


def explored(directory, engine=serial, bounds=BOUNDS, dialect="6.11", progress=None, shards=5):
    kept = Checkpoint(directory, bounds, DIALECTS[dialect], shards)
    return explore_with(engine, kept, Space(dialect, bounds), progress)


# -- by itself -----------------------------------------------------------------------------


@pytest.mark.parametrize("shards", [1, 7])
@pytest.mark.parametrize(
    ("bounds", "dialect"),
    [
        (BOUNDS, "6.11"),
        (Bounds(4, 3), "2.6.26"),
        (Bounds(3, 2, 1), "rfc-v4"),
        (Bounds(2, 2), "none"),
    ],
)
def test_the_counts_are_those_of_a_serial_run(tmp_path, bounds, dialect, shards):
    levels, wanted = [], []
    space = explored(
        tmp_path, serial, bounds, dialect, lambda seen: levels.append(seen.states), shards
    )
    assert space == explore(bounds, dialect, lambda seen: wanted.append(seen.states))
    assert levels == wanted
    assert not list(tmp_path.glob("work-*"))


def test_large_shards_are_in_several_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr("pytest_mmowner._cluster_files._PIECE", 3)
    monkeypatch.setattr(_cluster, "_EXPAND", 1)
    monkeypatch.setattr(_cluster, "_SIFT", 1)
    bounds = Bounds(3, 3, 1)
    assert explored(tmp_path, bounds=bounds) == explore(bounds)
    assert len((tmp_path / "level-004.json").read_text().split("level-004/")) > 10


def interrupted(directory, when):
    """An engine that is interrupted in the middle of the *when*-th group of tasks."""
    left = [when]

    def run(function, arguments):
        left[0] -= 1
        if not left[0]:
            serial(function, arguments[: len(arguments) // 2 + 1])
            raise KeyboardInterrupt
        return serial(function, arguments)

    with pytest.raises(KeyboardInterrupt):
        explored(directory, run)


@pytest.mark.parametrize("when", [2, 5, 8, 17])
def test_what_was_interrupted_goes_on_where_it_was(tmp_path, when):
    interrupted(tmp_path, when)
    done = []

    def run(function, arguments):
        done.append(function.__name__)
        return serial(function, arguments)

    assert explored(tmp_path, run) == explore(BOUNDS)
    levels = explore(BOUNDS).depth + 1
    assert done.count("expand") == levels - (when - 2) // 2
    done.clear()
    assert explored(tmp_path, run, shards=9) == explore(BOUNDS)
    assert done == ["verify"]


def files_of(directory):
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*") if path.is_file()
    }  # fmt: skip


def test_a_task_that_runs_twice_writes_the_same_twice(tmp_path):
    def twice(function, arguments):
        assert serial(function, arguments) == serial(function, arguments[::-1])[::-1]
        return serial(function, arguments)

    assert explored(tmp_path / "a", twice) == explored(tmp_path / "b")
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")


def spoil_worlds(directory):
    path = max(directory.glob("level-003/*"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def shorten_worlds(directory):
    path = max(directory.glob("level-003/*"))
    path.write_bytes(path.read_bytes()[:-1])


def spoil_record(directory):
    path = directory / "level-002.json"
    path.write_text(re.sub(r'"transitions":\d', '"transitions":9', path.read_text()))


def spoil_run(directory):
    (directory / "run.json").write_bytes(b"")


@pytest.mark.parametrize("spoil", [spoil_worlds, shorten_worlds, spoil_record, spoil_run])
def test_a_damaged_directory_is_refused(tmp_path, spoil):
    interrupted(tmp_path, 9)
    spoil(tmp_path)
    with pytest.raises(CallError, match=r"is damaged: .* Explore again, into another directory"):
        explored(tmp_path)


def test_a_directory_that_lost_worlds_is_refused(tmp_path):
    interrupted(tmp_path, 9)
    shutil.rmtree(tmp_path / "level-003")
    with pytest.raises(CallError, match=r"cannot read .* Every worker must see the directory"):
        explored(tmp_path)


def test_a_level_whose_record_is_lost_is_done_again(tmp_path):
    explored(tmp_path)
    (tmp_path / "level-004.json").unlink()
    assert explored(tmp_path) == explore(BOUNDS)


def test_a_directory_with_something_else_is_refused(tmp_path):
    explored(tmp_path / "it")
    with pytest.raises(CallError, match=r"another exploration \(scope \(3,2,1,1\), dialect 6.11\)"):
        explored(tmp_path / "it", dialect="2.6.26")
    with pytest.raises(CallError, match="another exploration"):
        explored(tmp_path / "it", bounds=Bounds(3, 2, 1, 1, frozenset({"reap"}), orders=False))
    with pytest.raises(CallError, match="no exploration: give --checkpoint an empty directory"):
        explored(tmp_path)


def test_a_directory_of_another_version_is_refused(tmp_path, monkeypatch):
    explored(tmp_path)
    monkeypatch.setattr("pytest_mmowner._cluster_files._texts", lambda: "changed")
    with pytest.raises(CallError, match="another version of pytest-mmowner"):
        explored(tmp_path)


def test_a_worker_with_other_rules_is_refused(tmp_path):
    kept = Checkpoint(tmp_path, BOUNDS, DIALECTS["6.11"], 1)
    with pytest.raises(CallError, match="install the same version"):
        expand(kept.job._replace(rules="others"), kept.levels[0].pieces, "work")


def test_a_place_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CallError, match=r"cannot write .*a directory with room"):
        write(str(tmp_path / "file"), "name", [(0, [b"world"])])
    (tmp_path / "taken" / "more").mkdir(parents=True)
    with pytest.raises(CallError, match="cannot write"):
        write(str(tmp_path), "taken", [(0, [b"world"])])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "taken"]
    (tmp_path / "run.json").mkdir()
    with pytest.raises(CallError, match="cannot read"):
        explored(tmp_path)


# -- calls ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--cluster", "local:0"), "local:N starts N processes, 1 or more"),
        (("--cluster", "local:many"), "local:N starts N processes"),
        (("--cluster", "tcp://there:8786"), "give --checkpoint DIR"),
        (("--checkpoint", "here"), "--checkpoint is for --cluster"),
        (("--cluster", "local:2", "--max-states", "9"), "--max-states is not for --cluster"),
    ],
)
def test_a_wrong_call_is_4(call, words, said):
    code, out, err = call("explore", *words)
    assert (code, out) == (4, "")
    assert said in err


def test_without_dask_it_is_said_what_to_install(call, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    code, out, err = call("explore", "--cluster", "local:2")
    assert (code, out) == (1, "")
    assert 'needs Dask (distributed is not installed): pip install "pytest-mmowner[cluster]"' in err


# -- with Dask -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def distributed():
    return pytest.importorskip(
        "distributed", reason="needs Dask: pip install pytest-mmowner[cluster]"
    )


@pytest.fixture(scope="module")
def cluster(distributed):
    with (
        distributed.LocalCluster(n_workers=3, threads_per_worker=1, dashboard_address=":0") as made,
        distributed.Client(made) as client,
    ):
        client.wait_for_workers(3)
        yield client


def test_workers_explore(distributed, tmp_path):
    with distributed.Client(processes=False, n_workers=1, dashboard_address=":0") as client:
        space = explore_on_cluster(BOUNDS, "6.11", cluster=client, checkpoint=tmp_path)
    assert space == explore(BOUNDS)


def test_a_scheduler_that_is_not_there_is_said(distributed, call, monkeypatch, tmp_path):
    monkeypatch.setattr(_cluster, "_PATIENCE", 0.2)
    code, _, err = call("explore", "--cluster", "tcp://127.0.0.1:1", "--checkpoint", str(tmp_path))
    assert code == 4
    assert "no Dask scheduler answers at tcp://127.0.0.1:1" in err


def test_a_scheduler_without_workers_is_said(distributed, call, monkeypatch, tmp_path):
    monkeypatch.setattr(_cluster, "_PATIENCE", 1)
    with distributed.LocalCluster(
        n_workers=0, protocol="tcp", processes=False, dashboard_address=":0"
    ) as made:
        where = made.scheduler_address
        code, _, err = call("explore", "--cluster", where, "--checkpoint", str(tmp_path))
    assert code == 4
    assert f"has no workers: start some, `dask worker {where}`" in err


@pytest.mark.slow
def test_a_call_starts_processes_and_ends_them(distributed, call):
    words = ("explore", "--tasks", "4", "--mms", "3", "--dialect", "rfc-v4", "--json")
    code, out, _ = call(*words, "--cluster", "local:2")
    assert code == 0
    assert json.loads(out) == json.loads(call(*words)[1])


def die_once(flag, function, *words):
    """Do the work, and die with the answer unsaid: the worst moment."""
    result = function(*words)
    with suppress(FileExistsError):
        os.close(os.open(flag, os.O_CREAT | os.O_EXCL))
        os.kill(os.getpid(), signal.SIGKILL)
    return result


@pytest.mark.slow
def test_a_worker_that_is_killed_loses_nothing(cluster, tmp_path, monkeypatch):
    """Killed are: a worker from outside, one after it expanded worlds, one after it sifted."""
    monkeypatch.setattr(_cluster, "_EXPAND", 100)  # several tasks at a time
    monkeypatch.setattr(_cluster, "_SIFT", 500)
    bounds = Bounds(4, 3, 1)
    run, flags, killed = _cluster._engine(cluster), {}, []

    def deadly(function, arguments):
        if len(arguments) < 2 or function.__name__ in flags:
            return run(function, arguments)
        flag = flags[function.__name__] = tmp_path / function.__name__
        return run(die_once, [(str(flag), function, *words) for words in arguments])

    def kill_one(space):
        if space.depth == 8:
            killed.append(next(iter(cluster.run(os.getpid).values())))
            os.kill(killed[0], signal.SIGKILL)

    space = explored(tmp_path / "it", deadly, bounds, progress=kill_one, shards=16)
    assert space == explore(bounds)
    assert len(killed) == 1
    assert sorted(flags) == [expand.__name__, sift.__name__]
    assert all(flag.exists() for flag in flags.values())


@pytest.mark.slow
def test_an_address_is_a_cluster_too(cluster, call, tmp_path):
    words = ("explore", "--tasks", "3", "--mms", "2", "--holds", "1", "--json")
    where = cluster.scheduler_info()["address"]
    code, out, _ = call(*words, "--cluster", where, "--checkpoint", str(tmp_path))
    assert code == 0
    assert json.loads(out) == json.loads(call(*words)[1])


def die():
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
def test_workers_that_always_die_are_said(cluster, monkeypatch):
    monkeypatch.setattr(cluster.cluster.scheduler, "allowed_failures", 0)
    with pytest.raises(MMOwnerError, match=r"workers died again and again.*the same call goes on"):
        _cluster._engine(cluster)(die, [()])


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ModuleNotFoundError("No module named 'msgspec'"), r"MMOwnerError: .*'msgspec'.* Install"),
        (RuntimeError("Error during deserialization\nof it"), "MMOwnerError: .*deserialization of"),
        (TooManyOutcomes("exec: more"), "^TooManyOutcomes: exec: more"),
    ],
)
def test_what_fails_elsewhere_is_said(distributed, error, said):
    def fail():
        raise error

    with (
        distributed.Client(processes=False, n_workers=1, dashboard_address=":0") as client,
        pytest.raises((MMOwnerError, TooManyOutcomes)) as raised,
    ):
        _cluster._engine(client)(fail, [()])
    assert re.search(said, f"{raised.type.__name__}: {raised.value}")


@pytest.mark.slow
def test_the_counts_that_the_documentation_shows(root):
    rows = re.findall(r"^\| (\d.*) \|$", (root / "docs/explore.md").read_text(), re.MULTILINE)
    table = [[int(cell) for cell in row.split(" | ")] for row in rows]
    assert len(table) >= 6
    for *numbers, states, transitions, depth in table:
        if states < 20_000:
            space = explore(Bounds(*numbers))
            assert [space.states, space.transitions, space.depth] == [states, transitions, depth]
