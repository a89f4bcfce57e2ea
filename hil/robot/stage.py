"""What the keywords of one library share: where they run, the firmware, and what happened last."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from robot.api import SkipExecution
from robot.libraries.BuiltIn import BuiltIn, RobotNotRunningError

from hil import board as boards
from hil import targets
from hil.bench.batch import check_target
from hil.bench.limits import limits_of
from hil.bench.run import Run, Subject
from hil.bench.session import Bench
from hil.errors import HilError
from hil.failure.leaving import Leaving, failure_of
from hil.failure.session import Session
from hil.firmware.build import NATIVE, Firmware, build
from hil.firmware.programs import MissingToolError
from hil.gate.figures import NOT_MEASURED, measurements
from hil.gate.results import image
from hil.targets.base import TargetFault
from hil.targets.connection import options
from hil.targets.faulty_line import FaultyLine


@dataclass
class Stage:
    """One firmware on one target. at: how a real board is reached; limits: a file laid over the board's."""

    target: str
    board: str
    model: str
    at: str | None = None
    limits: Path | None = None
    _firmware: Firmware | None = field(default=None, repr=False)
    _bench: Bench | None = field(default=None, repr=False)
    _line: FaultyLine | None = field(default=None, repr=False)
    _subject: Subject | None = field(default=None, repr=False)
    crash: TargetFault | None = field(default=None, repr=False)

    @property
    def firmware(self) -> Firmware:
        """Built when it is first needed. Skips the test where a compiler is missing."""
        if self._firmware is None:
            check_target(self.target)
            try:
                self._firmware = build(self.model, self.board, preset=NATIVE if self.target == NATIVE else None)
            except MissingToolError as error:
                raise SkipExecution(str(error)) from None
        return self._firmware

    def raise_curtain(self) -> Bench:
        """The firmware, started afresh on the target. Skips the test where this machine cannot have the target."""
        if self._bench is None:
            firmware = self.firmware
            try:
                target = targets.create(self.target, boards.load(self.board), **options(self.target, self.at))
            except HilError as error:
                raise SkipExecution(str(error)) from None
            self._line = FaultyLine(Session(target))
            self._bench = Bench(firmware, self._line, limits_of(firmware, self.limits))
        self._bench.boot()
        return self._bench

    def drop_curtain(self) -> None:
        """Give the target back."""
        bench, self._bench, self._line = self._bench, None, None
        if bench is not None:
            bench.target.close()

    def bundle(self, test: str, message: str) -> Path | None:
        """A bundle of a test's failure beside the log; None where no board ran in it."""
        bench = self._bench
        if bench is None or bench.hello is None:
            return None
        leaving = Leaving(output_folder() / "failures")
        return leaving.leave(test, bench, failure_of(bench, None, message, test), bench.judged)

    @property
    def bench(self) -> Bench:
        if self._bench is None:
            raise HilError("no board is running: use the keyword `Boot Board` first")
        return self._bench

    @property
    def line(self) -> FaultyLine:
        if self._line is None:
            raise HilError("no board is running: use the keyword `Boot Board` first")
        return self._line

    @property
    def subject(self) -> Subject:
        """The latest image that was run, with what it takes to draw it."""
        if self._subject is None:
            raise HilError("no image has been run: use the keyword `Stream Image` first")
        return self._subject

    @subject.setter
    def subject(self, subject: Subject) -> None:
        self._subject = subject

    @property
    def run(self) -> Run:
        return self.subject.run


def test_name() -> str | None:
    """Of the test that runs, with its suite's; None in a suite's set-up, and when no test runs."""
    try:
        robot = BuiltIn()
        name = robot.get_variable_value("${TEST NAME}")
        return f"{robot.get_variable_value('${SUITE NAME}')}.{name}" if name else None
    except RobotNotRunningError:
        return None


def note_measurements(run: dict[str, Any]) -> None:
    """Put a run's measurements among the metadata of its suite, as JUnit has them among a test's properties."""
    with suppress(RobotNotRunningError):
        robot, where = BuiltIn(), f"{image(run)} on {run['target']}"
        for figure in measurements(run):
            limit = "" if figure.limit is None else f", limit {figure.limit!r}"
            value = NOT_MEASURED if figure.value is None else f"{figure.value!r} {figure.unit}"
            robot.set_suite_metadata(f"{where}: {figure.name}", value + limit)


def output_folder() -> Path:
    """Where Robot puts its log; the current folder when no test runs."""
    try:
        return Path(str(BuiltIn().get_variable_value("${OUTPUT DIR}")))
    except RobotNotRunningError:
        return Path.cwd()
