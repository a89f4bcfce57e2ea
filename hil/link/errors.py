"""What can go wrong on the link."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hil.errors import HilError

if TYPE_CHECKING:  # which is laid out by hil.link.layout, which raises these
    from hil.link.fault import FaultReport


class LinkError(HilError):
    """The link, or the firmware at its other end, does not do what it should."""

    exit_code = 1


class LinkTimeout(LinkError):
    """The board does not answer, in spite of repetition."""


class ProtocolMismatch(LinkError):
    """The firmware speaks another version of the protocol."""


class ProtocolError(LinkError):
    """The board's answer is whole and yet not what the protocol and its own INFO promise."""


class BadAnswer(ProtocolError):
    """A message has another length than its layout, or a field a value that it cannot have."""

    def __init__(self, message: str, field: str, value: object, expected: str) -> None:
        self.message, self.field, self.value = message, field, value
        super().__init__(f"the board's {message} has {field} {value}, expected {expected}: is it this firmware?")


class Refused(LinkError):
    """The firmware understood the request and will not do it."""


class UnexpectedReset(LinkError):
    """The board was reset in the middle of an image."""


class DeviceFault(LinkError):
    """The firmware crashed and said so: `report` holds what it said. Symbols are added by hil.targets.reported."""

    def __init__(self, report: FaultReport) -> None:
        super().__init__(f"the firmware crashed: {report}")
        self.report = report
