"""A labgrid on loopback: coordinator, exporter, and simulated boards behind pseudo-terminals as its serial ports."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from served import HIL

from hil.targets import inventory


class Farm:
    """count boards at places board-0, board-1, ...; each runs the firmware. Needs labgrid and ser2net."""

    def __init__(self, folder: Path, elf: Path, count: int) -> None:
        self.folder, self.elf = folder, elf
        self.processes: list[subprocess.Popen[str]] = []
        self.environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.address = f"127.0.0.1:{probe.getsockname()[1]}"
        self.places = [f"board-{i}" for i in range(count)]
        self.ports = [_port(server) for server in [self._serve() for _ in self.places]]
        self.start_coordinator()
        self.start_exporter()

    def start_coordinator(self) -> None:
        self.coordinator = self._start("-m", "labgrid.remote.coordinator", "--listen", self.address)
        host, port = self.address.split(":")
        until(lambda: _answers(host, int(port)), "the coordinator to listen")
        self._add_places()

    def start_exporter(self) -> None:
        config = "".join(
            f"{place}:\n  RawSerialPort:\n    port: {port}\n    speed: 921600\n"
            for place, port in zip(self.places, self.ports, strict=True)
        )
        (self.folder / "exporter.yaml").write_text(config)
        options = ("--coordinator", self.address, "--name", "shelf", "--hostname", "127.0.0.1")
        self.exporter = self._start("-m", "labgrid.remote.exporter", *options, str(self.folder / "exporter.yaml"))
        until(lambda: self._offered() == len(self.places), "the exporter to offer its ports")

    def restart_coordinator(self) -> None:
        """Kill it and start it, and the exporter that ends with it, as what supervises them would."""
        self.kill(self.coordinator)
        self.start_coordinator()
        self.exporter.wait(60)
        self.kill(self.exporter)
        self.start_exporter()

    def holders(self) -> dict[str, str]:
        """Who has acquired which place; the free ones are left out."""
        from hil.targets.labgrid import coordinator

        places = coordinator.connect(self.address).GetPlaces(coordinator.pb.GetPlacesRequest(), timeout=20).places
        return {place.name: place.acquired for place in places if place.acquired}

    def kick(self, place: str) -> None:
        """Take a place away from whoever has it, as labgrid-client release --kick does."""
        from hil.targets.labgrid import coordinator

        request = coordinator.pb.ReleasePlaceRequest(placename=place)
        coordinator.connect(self.address).ReleasePlace(request, timeout=20)

    def _offered(self) -> int:
        from hil.targets.labgrid import coordinator

        with contextlib.closing(coordinator.Session(self.address)) as session:
            return len(session.resources)

    def kill(self, process: subprocess.Popen[str]) -> None:
        """A process and those that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def end(self) -> None:
        for process in reversed(self.processes):
            self.kill(process)

    def _start(self, *arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            env=self.environment,
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,  # an exporter's ser2net goes with it
        )
        self.processes.append(process)
        return process

    def _serve(self) -> subprocess.Popen[str]:
        command = [*HIL, "serve", "--elf", str(self.elf)]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, env=self.environment, text=True, start_new_session=True
        )
        self.processes.append(process)
        return process

    def _add_places(self) -> None:
        from hil.targets.labgrid import coordinator

        stub, pb = coordinator.connect(self.address), coordinator.pb
        known = {place.name for place in stub.GetPlaces(pb.GetPlacesRequest(), timeout=20).places}
        for place in self.places if not known else ():
            stub.AddPlace(pb.AddPlaceRequest(name=place), timeout=20)
            stub.AddPlaceMatch(pb.AddPlaceMatchRequest(placename=place, pattern=f"shelf/{place}/*"), timeout=20)


def write_inventory(farm: Farm, folder: Path, kind: str) -> None:
    """A client's list of all boards of the farm."""
    entry = '[boards.{0}]\nkind = "{1}"\nlabgrid = "{0}"\n'
    (folder / inventory.FILE).write_text("".join(entry.format(place, kind) for place in farm.places))


def needs_labgrid() -> None:
    """Skips the test where labgrid or what its exporter starts is missing."""
    pytest.importorskip("labgrid", reason="needs labgrid: pip install 'rnnpool-hil[lab]'")
    if shutil.which("ser2net", path=f"{os.environ.get('PATH')}:/usr/sbin") is None:
        pytest.skip("labgrid's exporter needs ser2net: apt-get install ser2net")


def until(condition, what: str, seconds: float = 60.0) -> None:
    """Wait for something that another process is to do."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.05)


def _port(server: subprocess.Popen[str]) -> str:
    """Where a simulated board can be opened, once it is there."""
    assert server.stdout is not None
    said = server.stdout.readline()
    found = re.search(r" at (/dev/\S+), ", said)
    assert found, said
    return found[1]


def _answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True
