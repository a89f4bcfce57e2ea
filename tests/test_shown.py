"""Text from outside is shown with escapes wherever it is shown: terminal, HTML, Robot's log, SVG, Markdown, logs."""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import fakes
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table
from rich.text import Text

from hil.commands.console import PlainConsole, paragraph, progress
from hil.report.flamegraph import flame_graph
from hil.report.run_html import render
from hil.report.terminal import verdict, verdicts
from hil.robot import log
from hil.shown import ShownFormatter, markdown, shown

EVIL = "a\x1b[31m\x07[b]\x9b2J\udcff\u202e</b>"
SAFE = r"a\x1b[31m\x07[b]\x9b2J\udcff\u202e</b>"


def test_what_does_not_print_is_an_escape() -> None:
    assert shown(EVIL) == SAFE
    assert shown(b"caf\xc3\xa9 \xff") == r"café \udcff"
    assert shown("two\nlines\r", keep="\n") == "two\nlines\\r"


@given(st.text())
def test_whatever_is_shown_prints_and_is_text(text: str) -> None:
    assert all(c.isprintable() or c.isspace() for c in shown(text)) and "\n" not in shown(text)
    shown(text).encode()


def test_nothing_in_a_cell_is_markdown() -> None:
    assert markdown("a|b\n[x](y)<img>") == r"a\|b\\n\[x\](y)\<img\>"


def printed(thing: object) -> str:
    console, stream = PlainConsole(), io.StringIO()
    console.file = stream
    console.print(thing, soft_wrap=True)
    return stream.getvalue()


def table() -> Table:
    rows = Table(EVIL, title=EVIL)
    rows.add_row(EVIL)
    return rows


@pytest.mark.parametrize("thing", [EVIL, Text(EVIL), table()], ids=["text", "styled", "table"])
def test_the_terminal_gets_no_control_characters_and_no_markup(thing: object) -> None:
    found = printed(thing)
    assert "[b]" in found and r"\x1b" in found
    assert all(c.isprintable() or c == "\n" for c in found)


LINES = "a\n::error::b.png"  # the second line would be a command to GitHub's log


def test_a_name_of_several_lines_stays_in_one_line() -> None:
    rows = Table(LINES, title=LINES)
    rows.add_row(LINES)
    run = fakes.subject(model=LINES, board="board").run
    runs = [replace(run, image=replace(run.image, path=LINES))] * 2
    for thing in (LINES, rows, verdict(runs[0]), verdicts(runs)):
        found = printed(thing)
        assert r"\n::error::" in found and not [line for line in found.split("\n") if line.strip().startswith("::")]
    assert printed(paragraph("two\nlines")) == "two\nlines\n"


@pytest.mark.parametrize("name", ["[/b]", "[red]", LINES])
def test_what_is_being_done_is_no_markup_on_a_terminal_either(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("TERM", "xterm")
    terminal = PlainConsole()
    terminal.file, terminal._force_terminal, terminal.is_interactive = io.StringIO(), True, True
    monkeypatch.setattr("hil.commands.console.errors", terminal)
    with progress() as step:
        step(f"building {name} ...", 0.5)
    assert shown(name) in terminal.file.getvalue()


def test_reports_and_logs_of_robot_carry_no_control_characters() -> None:
    subject = fakes.subject(model=EVIL, board=EVIL)
    subject = replace(subject, run=replace(subject.run, image=replace(subject.run.image, path=f"photos/{EVIL}.png")))
    for page in (render([subject]), log.whole(subject), flame_graph({(EVIL,): 5}, EVIL)):
        assert [c for c in page if not (c.isprintable() or c.isspace())] == [] and "\r" not in page
        assert r"\x1b[31m" in page and "&lt;/b&gt;" in page and "</b>\u202e" not in page


def test_log_lines_are_shown_escaped() -> None:
    record = logging.LogRecord("hil", logging.WARNING, "", 1, "%s is in use", (EVIL,), None)
    assert ShownFormatter().format(record) == f"{SAFE} is in use"


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_odd_names_are_shown_escaped_under_any_locale(tmp_path: Path, locale: str) -> None:
    command = [sys.executable, "-m", "hil", "plan", b"a[/b] \x1b[31m caf\xe9 \xc3\xa9"]
    environment = os.environ | {"LC_ALL": locale, "PYTHONIOENCODING": "ascii" if locale == "C" else "utf-8"}
    done = subprocess.run(command, capture_output=True, cwd=tmp_path, env=environment)
    *_, last = done.stderr.decode().splitlines()
    assert done.returncode == 2 and last.startswith("error: ") and last.isprintable()
    assert "a[/b]" in last and "x1b[31m" in last and "udce9" in last
