"""Bundles as failures come: told of each, they are packed into a folder, so many and no more."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path

from hil.bench.run import Run
from hil.bench.session import Bench
from hil.errors import HilError
from hil.failure.bundle import Failure
from hil.failure.pack import pack
from hil.failure.session import session_of
from hil.link import LinkError
from hil.paths import BUILD
from hil.targets.base import TargetError

log = logging.getLogger(__name__)

FOLDER = BUILD / "failures"
MOST = 10  # of one command or session: the failures after them are seldom others


@dataclass
class Leaving:
    """Where bundles go, and those that went there."""

    folder: Path = FOLDER
    left: list[Path] = field(default_factory=list)

    def of_run(self, bench: Bench, found: Run | HilError) -> None:
        """A run that did not pass, or the error that ended it."""
        image = bench.sent.name if bench.sent else "boot"
        name = f"{Path(bench.firmware.model).stem}-{bench.firmware.board.name}-{bench.target.name}-{image}"
        if isinstance(found, Run):
            self.leave(name, bench, Failure("run", in_words(found)), found)
        else:
            self.leave(name, bench, Failure("error", str(found)))

    def leave(self, name: str, bench: Bench, failure: Failure, run: Run | None = None) -> Path | None:
        """Pack one. None where there are enough; a bundle that cannot be written is no failure of its own."""
        if len(self.left) >= MOST:
            return None
        try:
            path = pack(self.folder, name, bench, failure, run)
        except (HilError, OSError) as error:
            log.warning("no bundle of the failure: %s", error)
            return None
        self.left.append(path)
        return path


def in_words(run: Run) -> str:
    """Why a run did not pass, in a line."""
    exact = "" if run.bit_exact else f"not bit-exact: {run.divergence or 'the outputs differ'}"
    return "; ".join(filter(None, [exact, *map(str, run.faults)]))


def failure_of(bench: Bench, error: BaseException | None, text: str, test: str) -> Failure:
    """What a test's failure is: the target's or the link's own error, a run that did not pass, or the test's assertion.

    error: None where the framework tells only its text.
    """
    session = session_of(bench.target)
    events = session.events if session else []
    if isinstance(error, TargetError | LinkError):
        return Failure("error", str(error), test)
    if error is None and events and events[-1].kind == "!":
        return Failure("error", events[-1].text, test)
    if bench.judged is not None and not bench.judged.passed:
        return Failure("run", f"{in_words(bench.judged)} ({text})", test)
    return Failure("test", text, test)
