"""Messages: what no board sends is told apart from what one does."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.link import BadAnswer, messages
from hil.link.fault import FaultReport, Kind
from hil.link.messages import Refusal, State, Status, Type, Welcome


@given(st.integers(0, 255), st.binary(max_size=80))
def test_any_payload_is_a_message_or_names_what_is_wrong(type: int, payload: bytes) -> None:
    try:
        messages.parse(type, payload)
    except BadAnswer as error:
        assert error.message and error.field in str(error) and str(error.value) in str(error)


def test_status_carries_repetition_and_fault_apart_from_the_state() -> None:
    payload = struct.pack("<HBIIH", 3, 0x82, 100, 200, 9)
    assert messages.parse(Type.REPEAT, payload) == Status(3, State.TAP_WAITS, 100, 200, 9, True, True)
    assert messages.parse(Type.STATUS, payload) == Status(3, State.TAP_WAITS, 100, 200, 9, False, True)


def test_welcome_of_another_protocol_is_understood_as_far_as_its_version() -> None:
    welcome = messages.parse(Type.WELCOME, struct.pack("<H", 7) + b"who knows what")
    assert isinstance(welcome, Welcome) and welcome.protocol == 7


def test_refusal_names_request_and_reason() -> None:
    assert str(Refusal(Type.BEGIN, 4)) == ("the board refuses BEGIN: the image has another size than its network takes")
    assert "0x77" in str(Refusal(0x77, 99))


def report(**fields: int) -> FaultReport:
    names = ("kind", "exception", "pc", "lr", "sp", "psr", "cfsr", "hfsr", "mmfar", "bfar")
    return FaultReport(**{name: fields.get(name, 0) for name in names})


@pytest.mark.parametrize(
    ("fields", "cause"),
    [
        ({"kind": Kind.EXCEPTION, "cfsr": 1 << 25}, "division by zero"),
        ({"kind": Kind.EXCEPTION, "cfsr": 1 << 24}, "unaligned access"),
        ({"kind": Kind.EXCEPTION, "exception": 20}, "exception 20"),
        ({"kind": Kind.STACK_OVERFLOW, "cfsr": 1 << 12}, "stack overflow"),
        ({"kind": Kind.WATCHDOG}, "endless loop"),
        ({"kind": Kind.SIGNAL, "exception": 11}, "signal SIGSEGV"),
    ],
)
def test_fault_reports_say_the_cause(fields: dict[str, int], cause: str) -> None:
    assert report(**fields).cause == cause


def test_fault_address_is_there_only_where_the_core_says_so() -> None:
    assert report(kind=Kind.EXCEPTION, bfar=0x30000000).address is None
    assert report(kind=Kind.EXCEPTION, bfar=0x30000000, cfsr=1 << 15 | 1 << 9).address == 0x30000000
    assert report(kind=Kind.EXCEPTION, mmfar=0x1000_0000, cfsr=1 << 7).address == 0x1000_0000
