"""Coverage around a run or a session of tests: gather what boards leave, write it, compare it with a limit."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hil.errors import HilError
from hil.files import write_text
from hil.measure.coverage.covered import Coverage, coverage
from hil.measure.coverage.page import page
from hil.measure.coverage.tracefile import Share, line_share, total, tracefile
from hil.paths import source_root
from hil.targets.sim.ran import VARIABLE


class CoverageError(HilError):
    """Less was covered than asked for."""

    exit_code = 1


class Gathering:
    """From start() to finish(), boards of this process and of those it starts say what ran on them."""

    def __init__(self) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._before: str | None = None

    def start(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="hil-coverage-")
        self._before = os.environ.get(VARIABLE)
        os.environ[VARIABLE] = self._folder.name

    def stop(self) -> None:
        """Forget it all."""
        if self._folder is None:
            return
        os.environ.pop(VARIABLE, None)
        if self._before is not None:
            os.environ[VARIABLE] = self._before
        self._folder.cleanup()
        self._folder = None

    def finish(self) -> Coverage:
        """What was covered. Raises HilError where no simulated board ran."""
        assert self._folder is not None, "finish() without start()"
        try:
            found = coverage(Path(self._folder.name))
        finally:
            self.stop()
        if not found:
            raise HilError("nothing was covered: no firmware with line numbers ran on the simulated board")
        return found


@contextmanager
def covering(path: Path | None, limit: float | None) -> Iterator[None]:
    """Write what runs within to an lcov file or a page; nothing happens where path is None.

    Raises CoverageError, with the file written, where fewer lines than `limit` percent were covered; HilError for a
    limit without a file.
    """
    if path is None:
        if limit is not None:
            raise HilError("a limit for the coverage needs a file to write it to: add --coverage FILE")
        yield
        return
    gathering = Gathering()
    gathering.start()
    try:
        yield
        write(found := gathering.finish(), path)
    finally:
        gathering.stop()
    check(found, limit)


def write(found: Coverage, path: Path) -> None:
    """Write a page where the file is called .html, an lcov file else."""
    made = page if path.suffix == ".html" else tracefile
    write_text(path, made(found, source_root()))


def check(found: Coverage, limit: float | None) -> None:
    """Raise CoverageError where fewer than `limit` percent of the lines were covered."""
    share = total(found)
    if limit is not None and share.percent < limit:
        worst = sorted(found.items(), key=lambda item: line_share(item[1]).percent)
        named = ", ".join(f"{file} ({line_share(covered).percent:.0f} %)" for file, covered in worst[:3])
        raise CoverageError(f"{described(share)}, the limit is {limit:g} %: least in {named}")


def described(share: Share) -> str:
    """In words."""
    return f"{share.percent:.1f} % of the firmware's lines ran ({share.covered} of {share.total})"
