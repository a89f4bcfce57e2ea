"""The suites for Renode's own runner (robot_tests/_renode): their bytes are this protocol's."""

from __future__ import annotations

import re
import struct
from pathlib import Path

from cobs import cobs

from hil.link.messages import PROTOCOL, Type

REPOSITORY = Path(__file__).resolve().parent.parent


def test_renodes_own_suite_sends_the_hello_of_the_golden_vectors() -> None:
    golden = (REPOSITORY / "tests" / "golden" / "frames.txt").read_text()
    wire = re.search(r"^frame hello 01 1 - (\w+)$", golden, re.MULTILINE)
    sent = re.search(
        r"^@\{HELLO\} +(.+)$", (REPOSITORY / "robot_tests/_renode/firmware.robot").read_text(), re.MULTILINE
    )
    assert wire is not None and sent is not None
    assert bytes.fromhex(wire[1]) == bytes(int(byte, 16) for byte in sent[1].split())


def test_renodes_own_suite_expects_the_welcome_of_this_protocol() -> None:
    """As it begins on the wire: type, sequence and version, their zeros taken out."""
    suite = (REPOSITORY / "robot_tests/_renode/firmware.robot").read_text()
    begin = struct.pack("<BHH", Type.WELCOME, 1, PROTOCOL)[:4]
    wire = b"\0" + cobs.encode(begin)
    assert f"Wait For Bytes On Uart    {wire.hex(' ')}    timeout" in suite
