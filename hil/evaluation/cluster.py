"""Photos over the machines of a dask cluster: an existing scheduler's, or processes of this machine.

What a worker needs, checkpoint and firmware, travels to it once; a photo travels to the worker that takes it. Results
come back as they are found. A lost worker's photos are done by others: that is dask's part.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import queue
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import distributed
from distributed import Client, Future, LocalCluster, Worker, WorkerPlugin, get_worker
from distributed.comm import CommClosedError

from hil import zoo
from hil.errors import HilError
from hil.evaluation.work import SERIAL, Found, Task, Working, at_once
from hil.files import reason
from hil.firmware.build import Firmware
from hil.version import exactly

log = logging.getLogger(__name__)

ANSWER_S = 20.0  # for a scheduler that is there
LOOK_S = 5.0  # between two looks at whether the cluster still stands
AHEAD = 3  # tasks a thread that are on the way: a worker never waits, and the scheduler holds few
BOARD = "board"  # dask's resource: how many real boards a worker has
T = TypeVar("T")
LOST = (CancelledError, CommClosedError, OSError, TimeoutError)


Make = Callable[[Task, str, Firmware | None], Working]


@dataclass(frozen=True)
class Parcel:
    """What travels once to each worker. make: of the others what works there; task: its model and data are the sender's
    paths; elf: the firmware's bytes."""

    make: Make
    task: Task
    way: str
    checkpoint: bytes
    firmware: Firmware | None
    elf: bytes


class Crew(WorkerPlugin):
    """What a worker keeps for an evaluation: as many networks as it has photos at once, each with its own target."""

    def __init__(self, name: str, parcel: Parcel) -> None:
        self.name, self.parcel = name, parcel

    def setup(self, worker: Worker) -> None:
        import torch

        torch.set_num_threads(1)
        self.stack = ExitStack()
        self.idle: queue.SimpleQueue[Working] = queue.SimpleQueue()
        self.where = worker.address
        self.folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="hil-evaluate-")))

    def teardown(self, worker: Worker) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self.idle.get_nowait().close()
        self.stack.close()

    def run(self, photos: Sequence[tuple[str, bytes]]) -> list[Found]:
        """What is made of photos, (name, content of the file) each. Raises HilError with this worker's address."""
        try:
            working = self.take()
            try:
                with tempfile.TemporaryDirectory(dir=self.folder) as folder:
                    files = [(name, Path(folder) / str(i)) for i, (name, _) in enumerate(photos)]
                    for (_, file), (_, content) in zip(files, photos, strict=True):
                        file.write_bytes(content)
                    return list(working.run(files))
            finally:
                self.idle.put(working)
        except HilError as error:  # as a kind that passes from machine to machine
            raise HilError(f"worker {self.where}: {error}") from None

    def take(self) -> Working:
        """One that nobody uses, a new one where there is none."""
        with contextlib.suppress(queue.Empty):
            return self.idle.get_nowait()
        return self.parcel.make(*self._unpack())

    def _unpack(self) -> tuple[Task, str, Firmware | None]:
        parcel = self.parcel
        checkpoint = self.folder / f"model{zoo.SUFFIX}"
        if not checkpoint.exists():
            checkpoint.write_bytes(parcel.checkpoint)
        firmware = parcel.firmware
        if firmware is not None:
            elf = self.folder / "firmware.elf"
            if not elf.exists():
                elf.write_bytes(parcel.elf)
                elf.chmod(0o755)
            firmware = replace(firmware, model=str(checkpoint), elf=elf, place=None)
        return replace(parcel.task, model=str(checkpoint)), parcel.way, firmware


def spread(
    make: Make, task: Task, way: str, firmware: Firmware | None, folder: Path, names: Sequence[str]
) -> Iterator[Found]:
    """(photo, what was found, seconds) as they come, from task.cluster: "local:N" or a scheduler's address.

    make: what works on each worker, a class of this package; names: of photos in the folder. Raises HilError where no
    scheduler answers, where it or a worker is of another version or lacks the target, and where the scheduler goes
    away: what was found until then has been handed out.
    """
    parcel = _parcel(make, task, way, firmware)
    crew = Crew("hil-" + os.urandom(8).hex(), parcel)
    with _connected(str(task.cluster), way) as client:
        try:
            _check_versions(client, str(task.cluster))
            with _hired(client, crew):
                _check_workers(client, crew, way)
                yield from _spread(client, crew, folder, way, names)
        except LOST as error:
            raise HilError(
                f"the scheduler at {task.cluster} is gone ({type(error).__name__}): start it, and the same command "
                "goes on where it was"
            ) from None


def run_each(address: str, function: Callable[..., T], arguments: Sequence[tuple[Any, ...]]) -> Iterator[T]:
    """A function's result for each of its arguments, as they come: for work that is no photo. Raises as spread does.

    The function is one of this package's; what it raises must be of a kind that passes from process to process.
    """
    with _connected(address, "") as client:
        try:
            _check_versions(client, address)
            futures = [client.submit(function, *given, pure=False) for given in arguments]
            for future in distributed.as_completed(futures, loop=client.loop):
                yield future.result()
        except LOST as error:
            raise HilError(
                f"the scheduler at {address} is gone ({type(error).__name__}): start it, and go on"
            ) from None


@contextlib.contextmanager
def _hired(client: Client, crew: Crew) -> Iterator[None]:
    """The plugin on every worker, those too that come later; at the end it gives its targets back."""
    client.register_plugin(crew, name=crew.name)
    try:
        yield
    finally:
        if client.status == "running":
            with contextlib.suppress(*LOST):
                client.unregister_worker_plugin(crew.name)


def _parcel(make: Make, task: Task, way: str, firmware: Firmware | None) -> Parcel:
    try:
        checkpoint = zoo.find(task.model).read_bytes()
        elf = firmware.elf.read_bytes() if firmware is not None else b""
    except OSError as error:
        raise HilError(f"cannot read {error.filename}: {reason(error)}") from error
    return Parcel(make, task, way, checkpoint, firmware, elf)


@contextlib.contextmanager
def _connected(address: str, way: str) -> Iterator[Client]:
    local = re.fullmatch(r"local:(\d+)", address)
    with ExitStack() as stack:
        if local is not None:
            if not 1 <= int(local[1]) <= 1024:
                raise HilError(f"--cluster {address}: a number of processes from 1 to 1024 is expected")
            resources = {BOARD: 1} if way == SERIAL else None
            options: dict[str, Any] = {"host": "127.0.0.1", "dashboard_address": None, "resources": resources}
            options["silence_logs"] = logging.ERROR
            cluster = LocalCluster(n_workers=int(local[1]), threads_per_worker=1, **options)
            stack.enter_context(cluster)
        try:
            client = Client(cluster if local else address, timeout=ANSWER_S, set_as_default=False)
        except (*LOST, ValueError) as error:
            raise HilError(
                f"no dask scheduler answers at {address} ({reason(error) if isinstance(error, OSError) else error}): "
                "start one (dask scheduler --host 127.0.0.1), or take --cluster local:4"
            ) from None
        yield stack.enter_context(client)


def _check_versions(client: Client, address: str) -> None:
    theirs = client.scheduler_info()["workers"]
    versions: Any = client.get_versions()
    found = versions["scheduler"]["packages"]["distributed"]
    if found != distributed.__version__:
        raise HilError(
            f"the scheduler at {address} has dask.distributed {found}, this is {distributed.__version__}: "
            "install the same version on both"
        )
    if not theirs:
        raise HilError(f"the scheduler at {address} has no worker: start some (dask worker {address})")
    ours = exactly()
    for worker, said in client.run(exactly, on_error="return").items():
        if isinstance(said, BaseException):
            raise HilError(f"worker {worker} has no rnnpool-hil ({said}): install {ours} there")
        if said != ours:
            raise HilError(f"worker {worker} has rnnpool-hil {said}, this is {ours}: install the same version on both")


def _check_workers(client: Client, crew: Crew, way: str) -> None:
    """That each worker has what the way needs, tried by booting it. Raises HilError that names the worker."""
    workers = [
        address
        for address, about in client.scheduler_info(n_workers=-1)["workers"].items()
        if way != SERIAL or about["resources"].get(BOARD)
    ]
    if not workers:
        raise HilError("no worker of the cluster has boards: start those that have with --resources board=N")
    for worker, said in client.run(_try, crew.name, workers=workers, on_error="return").items():
        if isinstance(said, BaseException):
            raise HilError(f"worker {worker} cannot run {way}: {said}")


def _try(crew: str, dask_worker: Worker | None = None) -> None:
    """Has one made, on a worker, which dask hands in. Raises HilError."""
    member = _member(crew, dask_worker)
    try:
        member.idle.put(member.take())
    except HilError as error:
        raise HilError(str(error)) from None


def _photos(crew: str, photos: Sequence[tuple[str, bytes]]) -> list[Found]:
    return _member(crew).run(photos)


def _member(crew: str, worker: Worker | None = None) -> Crew:
    """The plugin of a worker, of that whose task this is without."""
    plugin = (worker or get_worker()).plugins[crew]
    assert isinstance(plugin, Crew)
    return plugin


def _spread(client: Client, crew: Crew, folder: Path, way: str, names: Sequence[str]) -> Iterator[Found]:
    """Keep every worker busy, and hand out what they find."""
    resources = {BOARD: 1} if way == SERIAL else None
    rows = [names[i : i + at_once(way)] for i in range(0, len(names), at_once(way))]
    left, running = iter(rows), set[Future[list[Found]]]()

    def send(count: int) -> None:
        for row in islice(left, count):
            key = f"{crew.name}-{hashlib.sha256(row[0].encode()).hexdigest()[:16]}"
            photos = [(name, _read(folder / name)) for name in row]
            running.add(client.submit(_photos, crew.name, photos, key=key, pure=False, resources=resources))

    send(_room(client) or AHEAD)
    while running:
        try:
            with client.as_current():
                done = distributed.wait(list(running), timeout=LOOK_S, return_when="FIRST_COMPLETED").done
        except TimeoutError:
            done = set()
            if client.status != "running":
                raise CommClosedError(str(client.status)) from None
            if not client.nthreads():
                log.warning("the cluster has no worker left: waiting for one")
        for future in done:
            running.discard(future)
            yield from _result(future)
        send(max(_room(client) - len(running), len(done)) if done else 0)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise HilError(f"cannot read {path}: {reason(error)}") from error


def _result(future: Future[list[Found]]) -> list[Found]:
    try:
        return future.result()
    except distributed.scheduler.KilledWorker as error:
        raise HilError(f"workers died repeatedly at the same photo: {error}") from None


def _room(client: Client) -> int:
    """How many photos are to be on the way at once."""
    return AHEAD * sum(client.nthreads().values())
