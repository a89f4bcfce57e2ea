"""Renode and the simulated board, written by different people, agree on the same ELF and the same photo."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from hil import targets
from hil.bench.run import Run
from hil.bench.session import Bench
from hil.firmware.build import Firmware
from hil.measure.counts import Counts, count_image
from hil.paths import source_root
from hil.pytest_plugin import Place, create_target
from hil.suite.photos import photo
from hil.targets.base import Target
from hil.targets.symbols import symbols
from hil.targets.wrapper import Wrapper

INSTRUCTIONS = 0.0005  # how far the totals may be apart, as a share: Renode's firmware answers with fewer STATUS frames


class Listener(Wrapper):
    """Notes what goes to the board."""

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self.sent = bytearray()

    def write(self, data: bytes) -> None:
        self.sent += data
        super().write(data)


@dataclass(frozen=True)
class Session:
    """A boot, a hello and the demo's photo."""

    run: Run
    sent: bytes
    instructions: int


@pytest.fixture(scope="module")
def sessions(hil_firmware: Firmware, hil_place: Place, pytestconfig: pytest.Config) -> dict[str, Session]:
    """The same on both emulators."""
    if hil_place.target != "renode":
        pytest.skip("compares Renode with the sim: use --hil-target renode")
    create_target(hil_place, pytestconfig).close()  # skips where Renode is not here
    return {name: _session(hil_firmware, name) for name in ("sim", "renode")}


def _session(firmware: Firmware, name: str) -> Session:
    listener = Listener(targets.create(name, firmware.board))
    with Bench(firmware, listener) as bench:
        run = bench.run(photo("astronaut", firmware.network.spec))
        observed = listener.observed()
        assert observed is not None and observed.instructions is not None
        return Session(run, bytes(listener.sent), observed.instructions)


def test_the_same_bytes_go_to_the_board(sessions: dict[str, Session]) -> None:
    assert sessions["renode"].sent == sessions["sim"].sent


def test_every_layer_and_box_is_the_same(sessions: dict[str, Session]) -> None:
    sim, renode = sessions["sim"].run, sessions["renode"].run
    assert sim.bit_exact and renode.bit_exact  # the digests of all layers are the reference's
    assert renode.detections.tobytes() == sim.detections.tobytes()


def test_memory_and_stack_are_the_same(sessions: dict[str, Session]) -> None:
    assert sessions["renode"].run.ram == sessions["sim"].run.ram


def test_the_number_of_instructions_is_the_same_but_for_the_link(sessions: dict[str, Session]) -> None:
    sim, renode = sessions["sim"].instructions, sessions["renode"].instructions
    assert abs(renode - sim) <= INSTRUCTIONS * sim


@pytest.fixture(scope="module")
def counts(sessions: dict[str, Session], hil_firmware: Firmware) -> dict[str, Counts]:
    portrait = photo("astronaut", hil_firmware.network.spec)
    return {name: count_image(hil_firmware, portrait, name) for name in sessions}


def test_every_function_of_the_network_takes_the_same_instructions(
    counts: dict[str, Counts], hil_firmware: Firmware
) -> None:
    """What differs is the link alone: how often it wakes, and how many STATUS frames it makes."""
    sim, renode = counts["sim"].functions, counts["renode"].functions
    table = symbols(hil_firmware.elf)
    link = {
        path.name for folder in ("app", "port") for path in (source_root() / "firmware_src" / folder).rglob("*.[chS]")
    }
    names = {n for n in sim | renode if (table.line(table.address(n) or 0) or "").split(":")[0] not in link}
    assert sum(sim[name].instructions for name in names) > 0.8 * counts["sim"].instructions
    assert {name: renode.get(name) for name in names} == {name: sim.get(name) for name in names}
