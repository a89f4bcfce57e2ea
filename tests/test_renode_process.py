"""The process that runs Renode: started, used again, renewed before it has grown much, and gone when it should be."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from board_programs import DISCO, program

from hil.errors import HilError
from hil.targets import TargetError, create
from hil.targets.base import Target
from hil.targets.pyrenode import process

pytestmark = [pytest.mark.xdist_group("renode"), pytest.mark.usefixtures("renode_here")]
BOOTS, GROWTH_MB = 100, 100


@pytest.fixture
def target() -> Iterator[Target]:
    with create("renode", DISCO) as made:
        yield made


def resident_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


def test_the_next_board_uses_the_process_of_the_last_one(target: Target) -> None:
    pids = []
    for _ in range(2):
        target.boot(program("crashes"))
        pids.append(target.machine.renode.pid)
        target.close()
    assert pids[0] == pids[1]


def test_many_boots_leave_this_process_and_renode_small(
    target: Target, record_property: Callable[[str, object], None]
) -> None:
    sizes, pids = [], set()
    for _ in range(BOOTS):
        target.boot(program("crashes"))
        assert target.read(0.1)[:3] == b"\x00\x70\x00"
        renode = target.machine.renode.pid
        pids.add(renode)
        sizes.append(resident_mb(os.getpid()) + resident_mb(renode))
    growth_mb = max(sizes) - sizes[0]
    record_property("growth_mb", round(growth_mb))
    print(f"{BOOTS} boots in {len(pids)} processes: {sizes[0]:.0f} MB after the first, at most {growth_mb:.0f} MB more")
    assert growth_mb < GROWTH_MB
    assert len(pids) >= BOOTS // process.BOOTS


def test_a_renode_that_dies_is_said_and_the_next_boot_has_another(target: Target) -> None:
    target.boot(program("crashes"))
    os.kill(target.machine.renode.pid, signal.SIGKILL)
    with pytest.raises(TargetError, match="Renode ended by itself .*boot the firmware again"):
        target.read(1)
    target.boot(program("crashes"))
    assert target.read(0.1)[:3] == b"\x00\x70\x00"


def test_what_the_monitor_refuses_is_said_and_the_board_runs_on(target: Target) -> None:
    target.boot(program("crashes"))
    with pytest.raises(HilError, match="Renode does not accept 'nonsense'"):
        target.command("nonsense")
    assert "usart2" in target.command("peripherals")
    assert target.read(0.1)[:3] == b"\x00\x70\x00"


SCRIPT = """
import sys, time
from hil import board
from hil.targets import create
target = create("renode", board.load("stm32f407_disco"))
target.boot(__import__("pathlib").Path(sys.argv[1]))
print(target.machine.renode.pid, target.machine.renode.folder, flush=True)
while True:
    target.read(1)
"""


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill -9"])
def test_renode_ends_with_the_process_that_started_it(end: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(program("crashes"))], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    ) as user:  # fmt: skip
        assert user.stdout is not None
        pid, folder = user.stdout.readline().split()
        renode = os.pidfd_open(int(pid))
        user.send_signal(end)
        user.communicate()
    select.select([renode], [], [])  # until it has ended
    os.close(renode)
    assert not Path(folder).exists()


def test_a_renode_that_does_not_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYRENODE_BUILD_OUTPUT", "nowhere")
    with pytest.raises(HilError, match="Renode at .* does not start: "):
        process.Renode()
