"""`hil evaluate` over a dask cluster, in shards, and brought together: bit by bit what one process finds."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from cli import hil
from served import serve
from test_compiler_c import needs_gcc

from hil.errors import HilError
from hil.evaluation.journal import Journal, Predictions
from hil.evaluation.merge import take_over
from hil.evaluation.run import Task, evaluate_model
from hil.evaluation.work import shard_of
from hil.firmware.build import build
from hil.targets import inventory

M4 = "rnnpool_face_m4"
PHOTOS = 24
FACE = np.array([[10, 10, 50, 60, 0.9]], np.float32)


class Cluster:
    """A scheduler and workers, each a process, on loopback."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.processes = folder, list[subprocess.Popen[bytes]]()
        self.file = folder / f"scheduler-{time.monotonic_ns()}.json"
        options = ("--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(self.file))
        self.scheduler = self.start("from distributed.cli.dask_scheduler import main; main()", *options)
        while not self.file.exists() or not self.file.read_text().strip():
            assert self.scheduler.poll() is None, "the scheduler ended"
            time.sleep(0.05)
        self.address = json.loads(self.file.read_text())["address"]

    def start(self, code: str, *options: str) -> subprocess.Popen[bytes]:
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        process = subprocess.Popen(
            [sys.executable, "-c", code, *options], env=environment, cwd=self.folder, stderr=subprocess.DEVNULL
        )
        self.processes.append(process)
        return process

    def worker(self, *options: str, before: str = "") -> subprocess.Popen[bytes]:
        code = f"{before}\nfrom distributed.cli.dask_worker import main; main()"
        fixed = ("--no-nanny", "--nthreads", "1", "--no-dashboard", "--host", "127.0.0.1")
        return self.start(code, self.address, *fixed, *options)

    def end(self) -> None:
        for process in reversed(self.processes):
            process.kill()
            process.wait()


@pytest.fixture
def spreading() -> ModuleType:
    pytest.importorskip("distributed", reason="needs dask: pip install 'rnnpool-hil[cluster]'")
    from hil.evaluation import cluster

    return cluster


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    pytest.importorskip("distributed", reason="needs dask: pip install 'rnnpool-hil[cluster]'")
    made = Cluster(tmp_path)
    try:
        yield made
    finally:
        made.end()


def wait_for_workers(cluster: Cluster, count: int) -> None:
    from distributed import Client

    with Client(cluster.address, set_as_default=False) as client:
        client.wait_for_workers(count, timeout=120)


def same(one: Predictions, other: Predictions) -> bool:
    """Every bit of every box, and the precision they make."""
    boxes = all(one.boxes[name].tobytes() == other.boxes[name].tobytes() for name in other.boxes)
    return boxes and list(one.boxes) == list(other.boxes) and one.precision == other.precision


@pytest.fixture(scope="module")
def alone(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Predictions:
    """What one process finds."""
    task = Task(M4, shared_data / "faces", ("native",), limit=PHOTOS, store=tmp_path_factory.mktemp("alone"))
    (found,) = evaluate_model(task)
    return found


@needs_gcc
def test_a_worker_that_is_killed_changes_no_bit(
    shared_data: Path, tmp_path: Path, cluster: Cluster, alone: Predictions
) -> None:
    workers = [cluster.worker() for _ in range(2)]
    wait_for_workers(cluster, 2)

    def kill(what: str, done: float) -> None:
        if done > 0.25 and workers[0].poll() is None:
            workers[0].kill()

    task = Task(M4, shared_data / "faces", ("native",), limit=PHOTOS, store=tmp_path, cluster=cluster.address)
    (found,) = evaluate_model(task, kill)
    assert same(found, alone) and workers[0].poll() is not None


@needs_gcc
def test_a_run_whose_scheduler_was_stopped_goes_on_with_another(
    shared_data: Path, tmp_path: Path, cluster: Cluster, alone: Predictions
) -> None:
    def task(address: str) -> Task:
        return Task(M4, shared_data / "faces", ("native",), limit=PHOTOS, store=tmp_path / "store", cluster=address)

    def stop(what: str, done: float) -> None:
        if done > 0.3 and cluster.scheduler.poll() is None:
            cluster.scheduler.kill()
            cluster.scheduler.wait()

    cluster.worker()
    wait_for_workers(cluster, 1)
    with pytest.raises(HilError, match=r"the scheduler at tcp://127.* is gone .*the same command goes on where it was"):
        evaluate_model(task(cluster.address), stop)
    journal = next((tmp_path / "store").glob("*.jsonl"))
    kept = journal.read_text().splitlines()
    assert 1 < len(kept) < PHOTOS + 1
    anew = Cluster(tmp_path)
    try:
        anew.worker()
        wait_for_workers(anew, 1)
        (resumed,) = evaluate_model(task(anew.address))
    finally:
        anew.end()
    assert same(resumed, alone)
    assert journal.read_text().splitlines()[: len(kept)] == kept


def test_a_cluster_that_will_not_do(shared_data: Path, tmp_path: Path, cluster: Cluster, monkeypatch) -> None:
    import distributed

    def evaluate(way: str = "integer", address: str = cluster.address) -> None:
        evaluate_model(Task(M4, shared_data / "faces", (way,), limit=2, store=tmp_path / "store", cluster=address))

    with pytest.raises(HilError, match="has no worker: start some .dask worker tcp://127"):
        evaluate()
    with monkeypatch.context() as patch:
        patch.setattr(distributed, "__version__", "1999.1.0")
        with pytest.raises(HilError, match=r"the scheduler at tcp://.* has dask.distributed .*, this is 1999.1.0"):
            evaluate()
    stranger = cluster.worker(before="import sys; sys.modules['hil'] = None")
    wait_for_workers(cluster, 1)
    with pytest.raises(HilError, match=r"worker tcp://127.* has no rnnpool-hil \(.*\): install 0.2.0"):
        evaluate()
    stranger.kill()
    stranger.wait()
    elder = cluster.worker(before="import hil.version; hil.__version__ = hil.version.__version__ = '0.1.0'")
    wait_for_workers(cluster, 1)
    with pytest.raises(HilError, match=r"worker tcp://127.* has rnnpool-hil 0.1.0.*, this is 0.2.0"):
        evaluate()
    elder.kill()
    elder.wait()


@needs_gcc
def test_a_worker_without_the_target_is_named(shared_data: Path, tmp_path: Path, cluster: Cluster) -> None:
    cluster.worker(before="import sys; sys.modules['hil.targets.native'] = None")
    wait_for_workers(cluster, 1)
    task = Task(M4, shared_data / "faces", ("native",), limit=2, store=tmp_path / "store", cluster=cluster.address)
    with pytest.raises(HilError, match=r"worker tcp://127.* cannot run native: "):
        evaluate_model(task)


def test_a_scheduler_that_is_not_there(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spreading: ModuleType
) -> None:
    monkeypatch.setattr(spreading, "ANSWER_S", 0.2)
    for address, message in (
        ("tcp://127.0.0.1:9", "no dask scheduler answers at tcp://127.0.0.1:9"),
        ("local:0", "a number of processes from 1 to 1024"),
    ):
        with pytest.raises(HilError, match=message):
            evaluate_model(Task(M4, shared_data / "faces", ("float",), limit=1, store=tmp_path, cluster=address))


def test_wishes_that_exclude_each_other(shared_data: Path, tmp_path: Path) -> None:
    task = {"model": M4, "data": shared_data / "faces", "ways": ("integer",), "store": tmp_path}
    for more, message in (
        ({"cluster": "local:2", "jobs": 2}, "leave --jobs out"),
        ({"merge": (tmp_path,), "shard": (1, 2)}, "omit --shard and --fresh"),
        ({"at": "label:desk"}, "--at label:desk is for --target serial"),
    ):
        with pytest.raises(HilError, match=message):
            evaluate_model(Task(**task, **more))
    monkey = pytest.MonkeyPatch()
    with monkey.context() as patch:
        patch.setitem(sys.modules, "distributed", None)
        patch.delitem(sys.modules, "hil.evaluation.cluster", raising=False)
        patch.delattr("hil.evaluation.cluster", raising=False)  # where another test has imported it
        with pytest.raises(
            HilError, match=r"--cluster needs the package distributed: pip install 'rnnpool-hil\[cluster\]'"
        ):
            evaluate_model(Task(M4, shared_data / "faces", limit=1, store=tmp_path, cluster="local:1"))


@contextlib.contextmanager
def in_this_process(workers: int, **resources: float) -> Iterator[str]:
    """The address of a scheduler whose workers are threads here: they start at once."""
    distributed = pytest.importorskip("distributed", reason="needs dask: pip install 'rnnpool-hil[cluster]'")
    options = {"n_workers": workers, "threads_per_worker": 1, "processes": False, "dashboard_address": None}
    with distributed.LocalCluster(resources=resources or None, **options) as made:
        yield made.scheduler_address


def test_boards_of_the_workers_evaluate_too(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spreading: ModuleType
) -> None:
    """Two simulated ones behind serial ports, in a worker's inventory each; a photo a task, so that both have some."""

    def task(way: str, **more: str) -> Task:
        return Task(M4, shared_data / "faces", (way,), limit=2, store=tmp_path / way, **more)

    firmware = build(M4, "stm32f407_disco")
    ports = [tmp_path / "one", tmp_path / "other"]
    entries = [f'[boards.b{i}]\nkind = "stm32f407_disco"\nport = "{port}"\n' for i, port in enumerate(ports)]
    (tmp_path / inventory.FILE).write_text("".join(e + 'labels = ["desk"]\n' for e in entries))
    monkeypatch.setenv(inventory.VARIABLE, str(tmp_path / inventory.FILE))
    monkeypatch.setattr(spreading, "at_once", lambda way: 1)
    (native,) = evaluate_model(task("native"))
    with serve(firmware.elf, ports[0]), serve(firmware.elf, ports[1]):
        with in_this_process(2, board=1) as address:
            (found,) = evaluate_model(task("serial", at="label:desk", cluster=address))
        assert same(found, native)
    with in_this_process(1) as address, pytest.raises(HilError, match="no worker of the cluster has boards: start"):
        evaluate_model(Task(M4, shared_data / "faces", ("serial",), limit=1, store=tmp_path / "none", at="label:desk",
                            cluster=address))  # fmt: skip


def test_work_that_is_no_photo_is_spread_as_well(
    tmp_path: Path, cluster: Cluster, monkeypatch: pytest.MonkeyPatch, spreading: ModuleType
) -> None:
    """The self-test's subjects: what is known travels to the worker, what it finds is kept here."""
    from hil.selftest import campaign

    cluster.worker()
    wait_for_workers(cluster, 1)
    given = [(f"{i}/4",) for i in (1, 2, 3, 4)]
    assert sorted(spreading.run_each(cluster.address, shard_of, given)) == [(1, 4), (2, 4), (3, 4), (4, 4)]
    with pytest.raises(HilError, match="--shard x: expected I/N"):
        list(spreading.run_each(cluster.address, shard_of, [("x",)]))

    def here(address: str, function, arguments):
        return (function(*one) for one in arguments)

    def of_subject(name: str, operators, store: Path) -> None:
        with (store / f"{name}.jsonl").open("a") as file:
            file.write("new\n")

    monkeypatch.setattr(spreading, "run_each", here)
    monkeypatch.setattr(campaign, "of_subject", of_subject)
    (tmp_path / "tiny.jsonl").write_text("known\n")
    campaign.run(["tiny"], [], tmp_path, 1, lambda what, done: None, cluster.address)
    assert (tmp_path / "tiny.jsonl").read_text() == "known\nnew\n"


@pytest.mark.parametrize("text", ["", "2", "0/4", "5/4", "1/0", "-1/4", "a/b", "1/2/3"])
def test_a_shard_that_is_none(text: str) -> None:
    with pytest.raises(HilError, match="expected I/N, such as 2/4"):
        shard_of(text)
    assert shard_of("2/4") == (2, 4)


@needs_gcc
def test_shards_on_several_machines_are_brought_together(
    shared_data: Path, tmp_path: Path, capsys, monkeypatch
) -> None:
    (alone,) = evaluate_model(Task(M4, shared_data / "faces", ("native",), limit=6, store=tmp_path / "alone"))
    elsewhere = tmp_path / "photos"
    elsewhere.symlink_to(shared_data / "faces", target_is_directory=True)
    common = ("--target", "native", "--limit", "6")
    for i in (1, 2):
        options = (*common, "--shard", f"{i}/2", "--store", str(tmp_path / f"machine{i}"))
        outcome = hil(capsys, monkeypatch, "evaluate", M4, "--data", elsewhere, *options)
        assert outcome.code == 0 and f"native: 3 photos, shard {i}/2" in outcome.out
    folders = tuple(tmp_path / f"machine{i}" for i in (1, 2))
    task = Task(M4, shared_data / "faces", ("native",), limit=6, store=tmp_path / "merged", merge=folders)
    (merged,) = evaluate_model(task)
    assert same(merged, alone)
    with pytest.raises(HilError, match=r"3 of 6 photos are in no shard, .* first: run what is missing"):
        evaluate_model(Task(M4, task.data, ("native",), limit=6, store=tmp_path / "half", merge=folders[:1]))
    with pytest.raises(HilError, match="no shard is in .*: its name would be rnnpool_face_m4-integer-shard.of.*jsonl"):
        evaluate_model(Task(M4, task.data, ("integer",), limit=6, store=tmp_path / "none", merge=folders))


def write_shard(
    folder: Path, identity: dict[str, str], number: int, boxes: np.ndarray, content: str = "the photo"
) -> Path:
    folder.mkdir(exist_ok=True)
    with Journal(folder / f"m-shard{number}of2.jsonl", identity) as shard:
        shard.add("a.jpg", boxes, 0.5, content)
    return folder


def test_shards_that_contradict_each_other_or_are_of_something_else(tmp_path: Path) -> None:
    ours, photos = {"way": "native"}, {"a.jpg": "the photo"}
    one = write_shard(tmp_path / "1", ours, 1, FACE)
    same_again = write_shard(tmp_path / "2", ours, 2, FACE)
    other = write_shard(tmp_path / "3", ours, 1, np.nextafter(FACE, 0, dtype=np.float32))
    sim = write_shard(tmp_path / "4", ours | {"way": "sim"}, 1, FACE)
    changed = write_shard(tmp_path / "6", ours, 1, FACE, "another photo of that name")
    (tmp_path / "5").mkdir()
    (tmp_path / "5" / "m-shard1of2.jsonl").write_text("no journal")
    with Journal(tmp_path / "m.jsonl", ours) as journal:
        take_over((one, same_again), journal, photos)
        assert journal.boxes["a.jpg"].tobytes() == FACE.tobytes()
        for folder, message in (
            (other, "has other boxes on a.jpg than were found elsewhere"),
            (sim, "has way sim, expected native: it was made of something else"),
            (changed, "is of another photo a.jpg than the one that is here"),
            (tmp_path / "5", "m-shard1of2.jsonl"),
        ):
            with pytest.raises(HilError, match=message):
                take_over((folder,), journal, photos)
