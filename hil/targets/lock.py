"""One run at a time on a board: a lock for it, held by the process that uses the board."""

from __future__ import annotations

from hil.locks import HeldError, Lock
from hil.targets.base import TargetError


class BoardInUseError(TargetError):
    """Somebody else has had the board for longer than one was ready to wait."""


class BoardLock(Lock):
    """The right to use a board. `acquire` waits until its present holder has ended, in any way.

    identity: what tells the board from all others, such as its USB serial number: two names of one port must not give
    two locks. It keeps out runs of the same user; against another's, the port itself is opened for one program alone.
    """

    def __init__(self, identity: str) -> None:
        super().__init__(identity)
        self.identity = identity

    def acquire(self, wait_s: float = 0.0) -> None:
        """Raises BoardInUseError, which names the holder, when it has not come free within wait_s."""
        try:
            super().acquire(wait_s)
        except HeldError as error:
            raise BoardInUseError(str(error)) from None
