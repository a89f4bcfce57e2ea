"""--at labgrid:PLACE: reserved, acquired, released on every way out; a farm of simulated boards, two clients."""

from __future__ import annotations

import logging
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import stub_firmware
from cli import hil
from farm import Farm, needs_labgrid, until, write_inventory
from stub_firmware import expected_boxes, random_image

from hil import board, caches
from hil.link import Client
from hil.targets import inventory
from hil.targets.base import TargetError
from hil.targets.lock import BoardInUseError
from hil.targets.serial import SerialTarget

F407 = board.load("stm32f407_disco")
BOARDS = 8
pytestmark = pytest.mark.xdist_group("serial")


@pytest.fixture(scope="module")
def elf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    needs_labgrid()
    return stub_firmware.build(F407.name, tmp_path_factory.mktemp("stub") / F407.name)


@pytest.fixture(scope="module")
def farm(elf: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    made = Farm(tmp_path_factory.mktemp("farm"), elf, BOARDS)
    try:
        yield made
    finally:
        made.end()


@pytest.fixture(autouse=True)
def coordinator(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LG_COORDINATOR", farm.address)


def at(place: str, more: str = "") -> SerialTarget:
    return SerialTarget(F407, inventory.connection(f"labgrid:{place}{more}"))


def test_a_place_is_acquired_used_and_released(farm: Farm) -> None:
    with at("board-0") as target:
        target.boot(farm.elf)
        assert list(farm.holders()) == ["board-0"] and "-hil-" in farm.holders()["board-0"]
        image = random_image(1)
        assert Client(target).infer(image).detections == expected_boxes(image)
    assert farm.holders() == {}


def test_a_place_that_others_hold_is_waited_for(farm: Farm, caplog: pytest.LogCaptureFixture) -> None:
    with at("board-1") as one:
        one.open()
        holder = farm.holders()["board-1"]
        with pytest.raises(BoardInUseError, match=f"labgrid place board-1 is held by {re.escape(holder)}, for longer"):
            at("board-1", ",wait=0.2").open()
        assert farm.holders() == {"board-1": holder}, "who gives up takes nothing away"
        with caplog.at_level(logging.WARNING), at("board-1", ",wait=60") as other:
            opening = threading.Thread(target=other.open)
            opening.start()
            until(lambda: "is held by" in caplog.text, "the second to wait")
            one.close()
            opening.join()
            assert farm.holders()["board-1"] not in ("", holder)
    assert farm.holders() == {}


def test_a_place_that_does_not_exist_or_has_no_port(farm: Farm, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        TargetError, match=f"coordinator at {farm.address} has no place 'desk': there are board-0, board-1"
    ):
        at("desk").open()
    outcome = hil(capsys, monkeypatch, "power", "cycle", "--at", "labgrid:board-0")
    assert outcome.code == 2 and "place board-0 has no supply that can be switched" in outcome.err
    assert farm.holders() == {}
    monkeypatch.setenv("LG_COORDINATOR", "127.0.0.1:9")
    with pytest.raises(TargetError, match="no labgrid coordinator answers at 127.0.0.1:9"):
        at("board-0").open()


def test_a_place_that_is_taken_away_is_not_ours_any_more(farm: Farm) -> None:
    with at("board-5") as target:
        target.boot(farm.elf)
        farm.kick("board-5")
        target._disconnect()
        with pytest.raises(TargetError, match="labgrid place board-5 is not ours any more: nobody has it"):
            target.open()
    assert farm.holders() == {}


def test_kill_9_releases_the_place(farm: Farm) -> None:
    code = (
        "import sys; from hil.targets import inventory, shelf; from hil import board\n"
        f"held = shelf.take(board.load({F407.name!r}), inventory.connection('labgrid:board-2'))\n"
        "print(held.url, flush=True); sys.stdin.read()"
    )
    environment = farm.environment | {"LG_COORDINATOR": farm.address}
    holder = subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None and holder.stdout.readline().startswith("rfc2217://127.0.0.1:")
    assert "board-2" in farm.holders()
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    until(lambda: farm.holders() == {}, "the place to be released")


INNER = """
import os
from pathlib import Path
import pytest
from stub_firmware import expected_boxes, random_image
from hil.link import Client

@pytest.mark.parametrize("i", range(8))
def test_sees_what_it_should(hil_target, i):
    hil_target.boot(Path(os.environ["FARM_ELF"]))
    mark = Path(os.environ["FARM_MARKS"]) / hil_target.place
    mark.touch(exist_ok=False)  # nobody else has this board
    image = random_image(i)
    assert Client(hil_target).infer(image).detections == expected_boxes(image)
    mark.unlink()
    with open(mark.with_suffix(".ran"), "a") as file:
        file.write("x")
"""


def test_two_clients_share_the_farm_and_nobody_gets_anothers_board(farm: Farm, tmp_path: Path) -> None:
    pytest.importorskip("xdist", reason="needs pytest-xdist: pip install pytest-xdist")
    write_inventory(farm, tmp_path, F407.name)
    (tmp_path / "test_inner.py").write_text(INNER)
    (tmp_path / "marks").mkdir()
    environment = farm.environment | {
        "LG_COORDINATOR": farm.address, "FARM_ELF": str(farm.elf), "FARM_MARKS": str(tmp_path / "marks"),
        caches.VARIABLE: str(tmp_path / "cache"),
    }  # fmt: skip
    options = ("-q", "-p", "no:robotframework", "-p", "no:cacheprovider", "--hil-at", "all", "-n", "2", "test_inner.py")
    clients = [
        subprocess.Popen(
            [sys.executable, "-m", "pytest", *options], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    for client in clients:
        said, _ = client.communicate()
        assert client.returncode == 0 and "8 passed" in said and "boards: board-" in said, said
    assert sum(len(path.read_text()) for path in (tmp_path / "marks").glob("*.ran")) == 16
    assert farm.holders() == {}, "all released"


def works(farm: Farm, place: str) -> bool:
    """Whether a board can be had and answers."""
    try:
        with at(place, ",wait=5") as target:
            target.boot(farm.elf)
            return True
    except TargetError:
        return False


def test_an_exporter_that_is_killed_in_the_middle(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hil.targets.labgrid.place.PORT_S", 2)
    with at("board-3") as target:
        target.boot(farm.elf)
        farm.kill(farm.exporter)
        with pytest.raises(TargetError):
            Client(target).infer(random_image(1))
        with pytest.raises(
            TargetError, match="place board-3 has no serial port .* It has nothing: is its exporter running"
        ):
            target.open()
    assert farm.holders() == {}
    farm.start_exporter()
    until(lambda: works(farm, "board-3"), "the board to be back")


def test_a_coordinator_that_is_restarted(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hil.targets.labgrid.place.PORT_S", 2)
    with at("board-4") as target:
        target.boot(farm.elf)
        farm.restart_coordinator()
        with pytest.raises(TargetError):
            Client(target).infer(random_image(1))
    until(lambda: works(farm, "board-4"), "the board to be back")
    assert farm.holders() == {}
