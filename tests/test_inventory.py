"""The boards of a lab by name and label: hil-boards.toml, what it may not say, and the first free one of several."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from cli import hil
from test_ports import plug_in

from hil import board, caches
from hil.errors import HilError
from hil.targets import inventory, power, shelf
from hil.targets.base import TargetError
from hil.targets.connection import Connection
from hil.targets.lock import BoardInUseError
from hil.targets.pseudo_terminal import PseudoTerminal
from hil.targets.serial import SerialTarget

F407, F429 = board.load("stm32f407_disco"), board.load("stm32f429_disco")
CLONE_A, CLONE_B = ("/dev/ttyUSB0", 0x10C4, 0xEA60, "0001", "1-2"), ("/dev/ttyUSB1", 0x10C4, 0xEA60, "0001", "1-3")
TWO = """
[boards.desk-407]
kind = "stm32f407_disco"
usb = "1-2"
probe = "066EAAAA"
labels = ["desk"]

[boards.desk-429]
kind = "stm32f429_disco"
serial = "066EBBBB"
reset = "probe"
labels = ["desk", "sdram"]
"""


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Writes the inventory; locks lie in a folder of the test's own."""
    file = tmp_path / "lab.toml"
    monkeypatch.setenv(inventory.VARIABLE, str(file))
    monkeypatch.setenv(caches.VARIABLE, str(tmp_path / "cache"))

    def write(text: str) -> Path:
        file.write_text(text)
        return file

    return write


def test_a_board_by_its_name(lab: Callable[[str], Path]) -> None:
    lab(TWO)
    at = inventory.connection("desk-407,wait=5")
    assert (at.usb, at.probe, at.kind, at.name, at.wait_s) == ("1-2", "066EAAAA", F407.name, "desk-407", 5)
    assert inventory.connection("desk-429,reset=link").reset == "link", "what is given overrules the inventory"
    assert inventory.connection("/dev/ttyUSB0").port == "/dev/ttyUSB0"
    assert inventory.connection("desk-408").port == "desk-408", "whatever is no name is a port"


def test_boards_by_their_label(lab: Callable[[str], Path]) -> None:
    lab(TWO)
    assert [one.name for one in inventory.connection("label:desk").any_of] == ["desk-407", "desk-429"]
    assert inventory.connection("label:sdram").name == "desk-429"
    assert inventory.kinds(inventory.connection("all,baud=115200")) == [F407.name, F429.name]
    assert {one.baud for one in inventory.connection("all,baud=115200").any_of} == {115200}
    with pytest.raises(HilError, match="no board of .*lab.toml has the label 'shelf': there are desk, sdram"):
        inventory.connection("label:shelf")
    with pytest.raises(HilError, match="a name is missing after label:"):
        inventory.connection("label:")


def test_the_file_lies_here_or_in_a_folder_above(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(inventory.VARIABLE, raising=False)
    (tmp_path / "sub").mkdir()
    (tmp_path / inventory.FILE).write_text(TWO)
    monkeypatch.chdir(tmp_path / "sub")
    assert inventory.path() == tmp_path / inventory.FILE and len(inventory.entries()) == 2


def test_without_an_inventory_names_are_ports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(inventory.VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    assert inventory.entries() == [] and inventory.connection("COM3").port == "COM3"
    with pytest.raises(HilError, match="--at all looks boards up in hil-boards.toml, or the file of HIL_INVENTORY"):
        inventory.connection("all")


BOARD = '[boards.{}]\nkind = "stm32f407_disco"\n{}\n'


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        ('usb = "1-2"', 'usb = "1-2:1.0"', "USB path 1-2"),
        ('usb = "1-2"\nprobe = "066E"', 'usb = "1-3"\nprobe = "066E"', "probe 066E"),
        ('serial = "0001"', 'serial = "0001"', "serial 0001"),
        ('port = "/dev/ttyS0"', 'port = "/dev/../dev/ttyS0"', "port /dev/ttyS0"),
        ('port = "socket://lab:1"', 'port = "socket://lab:1"', "port socket://lab:1"),
        ('labgrid = "shelf"', 'labgrid = "shelf"', "place shelf"),
    ],
)
def test_two_boards_on_one_port(lab: Callable[[str], Path], one: str, other: str, shared: str) -> None:
    file = lab(BOARD.format("a", one) + BOARD.format("b", other))
    with pytest.raises(HilError) as caught:
        inventory.connection("a")
    assert str(caught.value).startswith(f"{file}: a and b are both at {shared}: ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[boards", "is not TOML"),
        ('[boards.a]\nkind = "stm32f407_disco"\nprot = "x"', "line 3: boards.a.prot: there is no such entry"),
        ('[boards.a]\nport = "x"', "line 1: boards.a.kind: it is missing: add it"),
        ('[boards.a]\nkind = "uno"\nport = "x"', "board a: kind 'uno': choose one of .*stm32f407_disco"),
        (BOARD.format("a", ""), "board a: of usb, serial, port and labgrid one says where it is; given: none is"),
        (BOARD.format("a", 'port = "x"\nusb = "1-2"'), "given: usb and port"),
        (BOARD.format("a", 'usb = "left socket"'), "line 3: boards.a.usb: "),
        (BOARD.format("all", 'port = "x"'), "'all' means every board"),
        (BOARD.format("a", 'port = "x"\nflash = "jlink"'), "flash 'jlink': choose one of openocd"),
        (BOARD.format("a", 'port = "x"\nreset = "hammer"'), "reset 'hammer': choose one of link"),
        (BOARD.format("a", 'port = "x"\npower_on = "relay 1"'), "power_off and power_on belong together"),
        (BOARD.format("a", 'port = "x"\nreset = "power"'), 'reset = "power" needs power_off and power_on'),
    ],
)
def test_an_inventory_that_makes_no_sense(lab: Callable[[str], Path], text: str, message: str) -> None:
    file = lab(text)
    with pytest.raises(HilError, match=message) as caught:
        inventory.entries()
    assert str(file) in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_that_is_not_there(lab: Callable[[str], Path], capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = hil(capsys, monkeypatch, "boards", "--at", "label:desk")
    assert outcome.code == 2 and "cannot read" in outcome.err and "lab.toml" in outcome.err


def test_clones_with_one_serial_number_are_told_apart_by_their_socket(
    lab: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    lab(BOARD.format("left", 'usb = "1-2"') + BOARD.format("right", 'usb = "1-3"'))
    plug_in(monkeypatch, CLONE_A, CLONE_B)
    left, right = (shelf.take(F407, inventory.connection(name)) for name in ("left", "right"))
    assert (left.url, right.url) == ("/dev/ttyUSB0", "/dev/ttyUSB1"), "and neither waits for the other's lock"
    with pytest.raises(BoardInUseError):
        shelf.take(F407, inventory.connection("left,wait=0"))
    plug_in(monkeypatch, CLONE_B, ("/dev/ttyUSB7", *CLONE_A[1:]))
    left.find_again()
    assert left.url == "/dev/ttyUSB7", "unplugged, and back under another name"
    left.release()
    right.release()
    with pytest.raises(TargetError, match=r"2 serial ports can be meant.*USB path 1-3.*USB path 1-2"):
        shelf.take(F407, Connection.parse("serial=0001"))


def test_the_first_free_board_is_taken(lab: Callable[[str], Path], tmp_path: Path, caplog) -> None:
    with PseudoTerminal(tmp_path / "a"), PseudoTerminal(tmp_path / "b"):
        text = "".join(BOARD.format(name, f'port = "{tmp_path / name}"') for name in "abc")
        lab(text)
        asked = inventory.connection("all,wait=0")
        with SerialTarget(F407, asked) as one, SerialTarget(F407, asked) as other:
            one.open()
            assert one.place == "a"
            other.open()
            assert other.place == "b" and other.connection.port == str(tmp_path / "b")
            with pytest.raises(TargetError, match="there is no port .*c"):
                SerialTarget(F407, asked).open()
        assert one.place is None
        with SerialTarget(F407, asked) as again:
            again.open()
            assert again.place == "a"


def test_boards_that_are_all_in_use_are_waited_for(lab: Callable[[str], Path], tmp_path: Path) -> None:
    lab("".join(BOARD.format(name, f'port = "{tmp_path / name}"') for name in "ab"))
    with SerialTarget(F407, inventory.connection("a")), PseudoTerminal(tmp_path / "a"), PseudoTerminal(tmp_path / "b"):
        asked = inventory.connection("all,wait=0")
        held = [shelf.take(F407, asked) for _ in range(2)]
        with pytest.raises(BoardInUseError, match="a, b are all in use, for longer than the 0 s"):
            shelf.take(F407, asked)
        held[1].release()
        assert shelf.take(F407, asked).connection.name == "b"


def test_a_board_of_another_kind_is_refused(lab: Callable[[str], Path]) -> None:
    lab(TWO)
    with pytest.raises(TargetError, match="desk-429 is no stm32f407_disco but stm32f429_disco: pass --board stm32f429"):
        shelf.take(F407, inventory.connection("desk-429"))


def test_none_of_the_boards_is_plugged_in(lab: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    lab(BOARD.format("left", 'usb = "1-2"') + BOARD.format("right", 'usb = "1-3"'))
    plug_in(monkeypatch)
    with pytest.raises(
        TargetError, match="none of left, right is available: no serial port is plugged in at USB path 1-2"
    ):
        shelf.take(F407, inventory.connection("all"))


def test_boards_are_listed_by_name(lab: Callable[[str], Path], capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    lab(TWO)
    plug_in(monkeypatch, CLONE_A)
    said = hil(capsys, monkeypatch, "boards").out
    assert "desk-407: stm32f407_disco [desk], /dev/ttyUSB0" in said
    assert "desk-429: stm32f429_disco [desk, sdram], no serial port has serial number 066EBBBB" in said


SWITCH = "import sys; open(sys.argv[1], 'a').write(sys.argv[2] + '\\n'); sys.exit(sys.argv[2] == 'burn')"


def switched(tmp_path: Path, off: str = "off") -> Connection:
    noted, program = tmp_path / "noted", tmp_path / "switch.py"
    program.write_text(SWITCH)
    command = f"'{sys.executable}' '{program}' '{noted}'"
    return Connection(name="desk", power=(f"{command} {off}", f"{command} 'on; rm *'"))


def test_power_is_switched_by_the_labs_command(tmp_path: Path) -> None:
    power.cycle(partial(power.switch, switched(tmp_path)), off_s=0)
    assert (tmp_path / "noted").read_text() == "off\non; rm *\n", "no shell sees it"


def test_power_that_cannot_be_switched(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="desk: .* failed with exit code 1, said: nothing"):
        power.switch(switched(tmp_path, "burn"), False)
    with pytest.raises(TargetError, match="this board cannot be switched: give power_off and power_on"):
        power.switch(Connection(), True)
    with pytest.raises(TargetError, match="desk: cannot run .*No such file"):
        power.switch(Connection(name="desk", power=("/nowhere/relay 0", "/nowhere/relay 1")), True)
    with pytest.raises(TargetError, match="desk: cannot run .*No closing quotation"):
        power.switch(Connection(name="desk", power=("'", "'")), True)


def test_hil_power(lab: Callable[[str], Path], capsys, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    off, on = switched(tmp_path).power or ("", "")
    lab(BOARD.format("a", f'usb = "1-2"\npower_off = """{off}"""\npower_on = """{on}"""'))
    plug_in(monkeypatch, CLONE_A)
    outcome = hil(capsys, monkeypatch, "power", "off", "--at", "a")
    assert (outcome.code, outcome.out) == (0, "a is off\n")
    plug_in(monkeypatch)
    assert hil(capsys, monkeypatch, "power", "on", "--at", "a").code == 0, "although there is no port without power"
    assert (tmp_path / "noted").read_text() == "off\non; rm *\n"
    for arguments, message in (
        (("up", "--at", "a"), "choose one of on, off, cycle"),
        (("on",), "name it with --at NAME"),
    ):
        outcome = hil(capsys, monkeypatch, "power", *arguments)
        assert outcome.code == 2 and message in outcome.err


INNER = """
import time
from pathlib import Path
import pytest

@pytest.mark.parametrize("i", range(6))
def test_opens(hil_target, i):
    hil_target.target.open()
    mark = Path(hil_target.place + ".busy")
    mark.touch(exist_ok=False)  # nobody else has this board
    Path(f"ran-{i}").write_text(hil_target.place)
    mark.unlink()

def test_fails(hil_target):
    hil_target.target.open()
    assert False
"""


@pytest.mark.skipif(os.name == "nt", reason="needs pseudo-terminals")
def test_pytest_spreads_over_the_boards_and_names_them(pytester: pytest.Pytester, tmp_path: Path) -> None:
    pytest.importorskip("xdist", reason="needs pytest-xdist: pip install pytest-xdist")
    pytester.makepyfile(INNER)
    (pytester.path / "hil-boards.toml").write_text(
        "".join(BOARD.format(name, f'port = "{tmp_path / name}"') for name in ("left", "right"))
    )
    with PseudoTerminal(tmp_path / "left"), PseudoTerminal(tmp_path / "right"):
        options = ("--hil-at", "all", "-n", "auto", "--junitxml", "results.xml", "-p", "no:robotframework")
        result = pytester.runpytest_subprocess(*options)
    result.assert_outcomes(passed=6, failed=1)
    result.stdout.fnmatch_lines(["*2 workers*", "*- board -*", "boards: *"])
    assert {path.read_text() for path in pytester.path.glob("ran-*")} <= {"left", "right"}
    assert (pytester.path / "results.xml").read_text().count('<property name="hil_board"') == 7


def test_pytest_refuses_a_board_that_is_not_there(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_where(hil_place):\n    pass\n")
    (pytester.path / "hil-boards.toml").write_text(TWO)
    result = pytester.runpytest_inprocess("--hil-at", "label:shelf", "-p", "no:robotframework")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert any("has the label 'shelf': there are desk, sdram" in line for line in result.errlines + result.outlines)
    result = pytester.runpytest_inprocess("-v", "--hil-at", "label:desk", "-p", "no:robotframework")
    result.stdout.fnmatch_lines(["*serial-stm32f407_disco*", "*serial-stm32f429_disco*"])


pytest_plugins = ["pytester"]
