"""--at: one text says how a board is reached; what it cannot mean is refused with what it can."""

from __future__ import annotations

import pytest

from hil.errors import HilError
from hil.targets.connection import Connection, options


def test_a_port_alone() -> None:
    assert Connection.parse("/dev/ttyUSB0") == Connection(port="/dev/ttyUSB0")
    assert Connection.parse("socket://lab:4000?logging=debug").port == "socket://lab:4000?logging=debug"
    assert Connection.parse("") == Connection()


def test_everything() -> None:
    chip = "0123456789abcdef01234567"
    text = f"COM3, serial=A1,chip={chip.upper()},baud=2000000,probe=066E,flash=st-flash,reset=dtr,wait=0.5,slower=4"
    expected = Connection(
        port="COM3", serial="A1", chip=chip, baud=2_000_000, probe="066E", flash="st-flash", reset="dtr", wait_s=0.5,
        slower=4.0,
    )  # fmt: skip
    assert Connection.parse(text) == expected
    assert Connection.parse("serial=A1,port=COM3").port == "COM3"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prot=/dev/ttyUSB0", "'prot': choose of port, usb, serial, chip"),
        ("/dev/ttyUSB0,/dev/ttyUSB1", "port is given twice"),
        ("baud=fast", "baud is 'fast', expected bits a second"),
        ("baud=0", "baud is '0'"),
        ("chip=12", "24 hex digits"),
        ("reset=button", "choose one of link, probe, dtr, power, none"),
        ("flash=no", "flash is 'no', choose one of openocd, "),
        ("FLASH=none", "nothing is called 'FLASH'"),
        ("usb=left", "usb is 'left', expected a USB path such as 1-2.3"),
        ("wait=-1", "wait is '-1', expected seconds"),
        ("wait=inf", "wait is 'inf'"),
        ("slower=0.5", "slower is '0.5', expected 1 to 1000 times"),
        ("slower=nan", "slower is 'nan'"),
        ("slower=much", "slower is 'much'"),
        ("serial=", "serial is empty"),
    ],
)
def test_what_makes_no_sense(text: str, message: str) -> None:
    with pytest.raises(HilError) as caught:
        Connection.parse(text)
    assert message in str(caught.value)


def test_only_a_real_board_is_connected_to() -> None:
    assert options("sim", None) == {}
    assert options("serial", None) == {"connection": Connection()}
    with pytest.raises(HilError, match="--at COM3 is for --target serial"):
        options("sim", "COM3")


def test_timing_mode_is_for_the_simulated_board() -> None:
    assert options("sim", None, "full") == {"timing": "full"}
    with pytest.raises(HilError, match="is for --target sim: target serial does not count"):
        options("serial", None, "full")
    with pytest.raises(HilError, match="no such mode: choose one of fast, full"):
        options("sim", None, "slow")
