"""Renode and the simulated board, written by different people, agree on the same ELF and the same photo."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from hil import targets
from hil.bench.run import Run
from hil.bench.session import Bench
from hil.firmware.build import Firmware
from hil.measure.counts import Counts, count_image
from hil.measure.drawn_photos import Listener
from hil.pytest_plugin import Place, create_target
from hil.suite.interrupted import Depth, depth
from hil.suite.photos import photo
from hil.targets.symbols import Symbols, symbols

INSTRUCTIONS = 0.00005  # how far the totals may be apart without those that wait, as a share
# What runs as often as the line makes it, not the image: the port's files and main loop that wait for bytes and time;
# COBS, which takes longer over a zero, of which answers have as many as the cycles and the stack in them have.
WAITING_FILES = {"clock.c", "line_dma.c", "line_interrupt.c", "sleep.c", "stack.c", "uart.c"}
WAITING = {"main", "link_serve", "image_has_row", "put"}


@dataclass(frozen=True)
class Session:
    """A boot, a hello and the demo's photo."""

    run: Run
    sent: bytes
    instructions: int
    stack: Depth


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
        assert run.ram is not None and run.ram.stack_used is not None
        stack = depth(listener, symbols(firmware.elf), run.ram.stack_used)
        return Session(run, bytes(listener.sent), observed.instructions, stack)


def test_the_same_bytes_go_to_the_board(sessions: dict[str, Session]) -> None:
    assert sessions["renode"].sent == sessions["sim"].sent


def test_every_layer_box_and_logit_is_the_same(sessions: dict[str, Session]) -> None:
    sim, renode = sessions["sim"].run, sessions["renode"].run
    assert sim.bit_exact and renode.bit_exact  # the digests of all layers are the reference's
    assert sim.digests and renode.digests == sim.digests
    assert renode.detections.tobytes() == sim.detections.tobytes()
    assert renode.classification == sim.classification


def test_memory_is_the_same(sessions: dict[str, Session]) -> None:
    sim, renode = (replace(sessions[name].run.ram, stack_used=None, total_bytes=None) for name in ("sim", "renode"))
    assert renode == sim


def test_the_stack_is_as_deep_but_for_an_interrupt_at_its_deepest_point(sessions: dict[str, Session]) -> None:
    """The program's own depth is the same. The line says when an interrupt comes, and so whether one comes there."""
    shallow, deep = sorted((session.stack for session in sessions.values()), key=lambda stack: stack.used)
    assert deep.least <= shallow.used <= deep.used


@pytest.fixture(scope="module")
def counts(sessions: dict[str, Session], hil_firmware: Firmware) -> dict[str, Counts]:
    portrait = photo("astronaut", hil_firmware.network.spec)
    return {name: count_image(hil_firmware, portrait, name) for name in sessions}


def _waits(name: str, table: Symbols) -> bool:
    return name in WAITING or (table.line(table.address(name) or 0) or "").split(":")[0] in WAITING_FILES


def _waiting(counts: Counts, table: Symbols) -> int:
    return sum(count.instructions for name, count in counts.functions.items() if _waits(name, table))


def test_every_function_takes_the_same_instructions_but_those_that_wait(
    counts: dict[str, Counts], hil_firmware: Firmware
) -> None:
    sim, renode = counts["sim"].functions, counts["renode"].functions
    table = symbols(hil_firmware.elf)
    names = {name for name in sim | renode if not _waits(name, table)}
    assert sum(sim[name].instructions for name in names) > 0.95 * counts["sim"].instructions
    for count in counts.values():  # the table of docs/renode.md
        print(f"{count.target}: {count.instructions:,} instructions, of these waiting {_waiting(count, table):,}")
    assert {name: renode.get(name) for name in names} == {name: sim.get(name) for name in names}


def test_from_power_on_the_instructions_are_the_same_but_those_that_wait(
    sessions: dict[str, Session], counts: dict[str, Counts], hil_firmware: Firmware
) -> None:
    table = symbols(hil_firmware.elf)
    sim, renode = (sessions[name].instructions - _waiting(counts[name], table) for name in ("sim", "renode"))
    assert abs(renode - sim) <= INSTRUCTIONS * sim
