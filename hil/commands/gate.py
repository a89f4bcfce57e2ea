"""`hil gate`: a project's tests, and their results against those of another commit; what the GitHub Action runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hil.commands import outputs
from hil.commands.console import console, errors, shortest
from hil.paths import BUILD

if TYPE_CHECKING:
    from hil.gate.difference import Comparison
    from hil.gate.github import PullRequest
    from hil.gate.measured import Measured
    from hil.gate.tolerance import Tolerances


LOST = "\n✗ The other commit has results, these tests left none: were they all skipped?\n"


def gate(
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[PYTEST]...", help="Arguments for pytest, after --.")
    ] = None,
    project: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the tests.")] = Path("."),
    base: Annotated[
        str | None, typer.Option(metavar="REF", help="The commit to compare with; default: the pull request's base.")
    ] = None,
    base_results: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="That commit's results; default: its tests are run in a separate tree."),
    ] = None,
    target: Annotated[list[str] | None, typer.Option("--target", "-t", help="Where the tests run; repeatable.")] = None,
    profile: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="MODEL IMAGE", help="Also profile this, to show which functions' cycles changed."),
    ] = None,
    tolerance: Annotated[Path | None, typer.Option(metavar="FILE", help="TOML, as for hil compare.")] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the results.", callback=outputs.folder)] = BUILD
    / "gate",
    comment: Annotated[bool, typer.Option("--comment", help="Comment on GitHub's pull request.")] = False,
    title: Annotated[str, typer.Option(metavar="TEXT", help="Title of the comment.")] = "Firmware",
) -> None:
    """Run the tests, compare their results with another commit's; exit code 1 if a test or a figure fails."""
    from hil.files import write_text
    from hil.gate import github
    from hil.gate.measured import Measured, Wanted, measure, measure_commit
    from hil.gate.tolerance import load_tolerances
    from hil.report.comparison import MARKER

    tolerances = load_tolerances(tolerance)
    request = github.pull_request()
    wanted = Wanted(tuple(target or ["sim"]), tuple(arguments or []), profile)
    head = measure(project, out, wanted)
    reference = base or (request.base if request else None)
    there = None if base_results is None else Measured(0, base_results)
    if (there is None or not there.has_results) and reference is not None:
        errors.print(f"running the tests of {reference[:20]} ...", highlight=False)
        there = measure_commit(project, reference, out / "base", wanted)
    is_lost = there is not None and there.has_tests_results and not head.has_tests_results
    found, trouble = _compared(there, head, tolerances)
    why = trouble or _why_not(there, reference)
    text = _in_words(found, why, head.code, title) + (LOST if is_lost else "")
    write_text(out / "comment.md", text)
    github.add_summary(text)
    if found is not None:
        _show(found, out)
    else:
        errors.print(f"nothing was compared: {why}", soft_wrap=True, highlight=False, markup=False)
    if comment and request is not None:
        _comment(request, text, MARKER)
    if is_lost:
        errors.print(LOST.strip(), highlight=False)
    if head.code or is_lost or trouble or (found is not None and not found.passed):
        raise typer.Exit(1)


def _compared(there: Measured | None, head: Measured, tolerances: Tolerances) -> tuple[Comparison | None, str]:
    """None where one side has no results, and where the two cannot be compared: then with the reason."""
    from hil.errors import HilError
    from hil.gate.difference import compare
    from hil.gate.documents import load

    if there is None or not there.has_results or not head.has_results:
        return None, ""
    try:
        return compare(load(there.results), load(head.results), tolerances), ""
    except HilError as error:
        return None, str(error)


def _why_not(there: Measured | None, reference: str | None) -> str:
    """Why there is nothing to compare with, which is no failure: so it is the first time."""
    if there is None:
        return "no commit to compare with was given (--base, --base-results)"
    if not there.has_results:
        return f"the tests of {reference} left no results" if reference else f"{there.results} holds no results"
    return "these tests left no results"


def _in_words(found: Comparison | None, why: str, code: int, title: str) -> str:
    from hil.report.comparison import as_markdown, nothing_compared

    text = as_markdown(found, title) if found else nothing_compared(title, why)
    return text + ("" if code == 0 else f"\n✗ pytest ended with {code}.\n")


def _show(found: Comparison, out: Path) -> None:
    from hil.report.comparison import in_terminal, write_page

    write_page(found, out / "comparison.html")
    console.print(in_terminal(found), highlight=False)
    console.print(f"{shortest(out / 'comparison.html')} shows it", highlight=False, soft_wrap=True)


def _comment(request: PullRequest, text: str, marker: str) -> None:
    """A comment that GitHub refuses, as on a fork's pull request, fails nothing: the summary has it."""
    from hil.errors import HilError
    from hil.gate import github

    try:
        console.print(f"comment: {github.comment(request, text, marker)}", highlight=False)
    except HilError as error:
        errors.print(f"no comment: {error}", soft_wrap=True, highlight=False, markup=False)
