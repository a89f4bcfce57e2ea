"""One case of a campaign: run it, say what came of it, and see that the next run is clean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil.errors import HilError
from hil.link import Client, DeviceFault, Result
from hil.targets.base import Target, TargetFault, TargetLostError
from hil.torture.cases import Case
from hil.torture.lies import LyingBoard, hosts_frame
from hil.torture.line import HangError, HostKilledError, TorturedLine

EXACT, SEEN = "exact", "another result, as the comparison says"
MOST_TOGETHER = 500  # bytes after which a lying host listens: a board's ring holds them
LIARS = ("lying board", "lying host")  # which have more sent than the board's ring holds
BAD = ("wrong result", "hang", "bare exception", "firmware crashed", "next run not clean")


@dataclass(frozen=True)
class Stage:
    """A booted target and what it must find. timeout_s: silence after which the host asks again.

    runs: images with what a sound run of each finds, as `found` has it.
    """

    target: Target
    elf: Path
    runs: list[tuple[NDArray[np.uint8], Any]]
    timeout_s: float = 0.05

    def restart(self) -> None:
        """Off and on again: memory forgets."""
        self.target.boot(self.elf)

    def client(self, target: Target | None = None) -> Client:
        return Client(target or self.target, timeout_s=self.timeout_s)


@dataclass(frozen=True)
class Outcome:
    """faults: that happened, by kind; result: EXACT, SEEN, one of BAD or an error's class; detail: for a person."""

    faults: dict[str, int]
    result: str
    detail: str = ""

    @property
    def is_bad(self) -> bool:
        return self.result in BAD


def found(result: Result) -> tuple[Any, ...]:
    """What of a result must be right."""
    return result.detections, result.digests, result.logits, result.board_overruns


def session_bytes(stage: Stage) -> int:
    """Bytes in the busier direction of a clean run."""
    client = stage.client()
    client.infer(stage.runs[0][0], digests=True)
    return max(client.statistics.bytes_in, client.statistics.bytes_out)


def attempt(stage: Stage, case: Case) -> Outcome:
    """Run a case, then a clean one. The target is booted anew where it ended, or is not clean."""
    outcome = run_case(stage, case)
    try:
        image, expected = stage.runs[(case.number + 1) % len(stage.runs)]
        result = stage.client().infer(image, digests=True)
        if case.kind in LIARS and result.board_overruns:
            result = _after_false_credit(stage, image, result)
        is_clean, detail = found(result) == expected, "another result"
    except (TargetFault, TargetLostError) as error:
        is_clean, detail = False, str(error)
    except Exception as error:
        is_clean, detail = False, f"{type(error).__name__}: {error}"
    if is_clean:
        return outcome
    stage.restart()
    return outcome if outcome.is_bad else Outcome(outcome.faults, "next run not clean", f"{case.name}: {detail}")


def _after_false_credit(stage: Stage, image: NDArray[np.uint8], result: Result) -> Result:
    """A clean run's result, of a fresh count of overruns where it added none: with a liar, too much is sent."""
    again = stage.client().infer(image, digests=True)
    if again.board_overruns != result.board_overruns or again.digests != result.digests:
        return again
    stage.restart()
    return stage.client().infer(image, digests=True)


def run_case(stage: Stage, case: Case) -> Outcome:
    """Run a case only, as for a target that no session changes."""
    if case.kind == "lying host":
        return _lie_to_the_board(stage, case)
    image, expected = stage.runs[case.number % len(stage.runs)]
    line = LyingBoard(stage.target, case.lies, case.dice("lies")) if case.lies else _line(stage, case)
    result, detail = _judged(lambda: found(stage.client(line).infer(image, digests=True)), expected)
    if result == "wrong result" and case.lies:
        result = SEEN
    return Outcome(dict(line.done), result, f"{case.name}: {detail}" if detail else "")


def _line(stage: Stage, case: Case) -> TorturedLine:
    return TorturedLine(stage.target, case.faults, case.dice("line"), stage.restart)


def _judged(act: Callable[[], tuple[Any, ...]], expected: Any) -> tuple[str, str]:
    """What came of it, and in words."""
    try:
        got = act()
    except HangError as error:
        return "hang", str(error)
    except HostKilledError:
        return "host killed", ""
    except (TargetFault, DeviceFault) as error:
        return ("firmware crashed" if not isinstance(error, DeviceFault) else type(error).__name__), str(error)
    except HilError as error:
        return type(error).__name__, str(error)
    except Exception as error:
        return "bare exception", f"{type(error).__name__}: {error}"
    return (EXACT, "") if got == expected else ("wrong result", f"{got} instead of {expected}"[:300])


def _lie_to_the_board(stage: Stage, case: Case) -> Outcome:
    """Say nonsense to it; it must live."""
    dice = case.dice("host")
    session = 0
    try:
        left = case.frames
        while left > 0:
            said, most = b"", dice.randint(1, MOST_TOGETHER)
            while left > 0 and len(said) < most:
                said += hosts_frame(dice, session)
                session += dice.random() < 0.3
                left -= 1
            stage.target.write(said)
            stage.target.read(stage.timeout_s / 5)
        while stage.target.read(stage.timeout_s / 5):
            pass
    except (TargetFault, TargetLostError) as error:
        stage.restart()
        return Outcome({"lying host": case.frames}, "firmware crashed", f"{case.name}: {error}")
    return Outcome({"lying host": case.frames}, "firmware lives")
