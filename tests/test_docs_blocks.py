"""Every code block of every page is what it says: commands with options that exist, Python, TOML and the like.

Blocks that a computer can run in a test's time are run besides: tests/test_readme.py, test_tutorials.py,
test_my_board.py, test_acceptance_own_network.py and those that name a page.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import subprocess
import tomllib
from collections.abc import Callable
from types import ModuleType

import command_words
import pytest
from doc_blocks import Block, blocks, blocks_of, commands

OURS = re.compile(r"^(hil|make|pytest|robot|pip|libdoc) [\w.\[-]")


def check_sh(block: Block) -> None:
    done = subprocess.run(["sh", "-n"], input=block.code, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for words in commands(block.code):
        command_words.check(words)


def check_python(block: Block) -> None:
    for node in ast.walk(ast.parse(block.code)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "hil":
            module = importlib.import_module(node.module or "")
            missing = [n.name for n in node.names if not hasattr(module, n.name) and not _is_module(module, n.name)]
            assert missing == [], ast.unparse(node)


def _is_module(package: ModuleType, name: str) -> bool:
    return importlib.util.find_spec(f"{package.__name__}.{name}") is not None


def check_toml(block: Block) -> None:
    tomllib.loads(block.code)


def check_json(block: Block) -> None:
    json.loads(block.code)


def check_yaml(block: Block) -> None:
    yaml = pytest.importorskip("yaml", reason="needs PyYAML, which mkdocs brings: pip install 'rnnpool-hil[docs]'")
    yaml.safe_load(block.code)


def check_robot(block: Block) -> None:
    """Robot itself looks up every keyword, and runs none."""
    from robot.api import TestSuite

    suite = TestSuite.from_string(block.code)
    assert suite.has_tests
    assert suite.run(dryrun=True, output=None, log=None, report=None, console="none").return_code == 0


def check_text(block: Block) -> None:
    """Output, a layout or a synopsis, whose commands and options there are. Nothing else in it is a command."""
    for line in re.sub(r"\n +\[", " [", block.code).splitlines():
        if line.startswith("hil ") and (block.language == "text" or re.search(r"[ \[]--?\w", line)):
            command_words.check_synopsis(line)
        else:
            assert not OURS.match(line), f"{line!r} is a command: write ```sh"


CHECKS: dict[str, Callable[[Block], None]] = {
    "sh": check_sh,
    "python": check_python,
    "toml": check_toml,
    "json": check_json,
    "yaml": check_yaml,
    "robotframework": check_robot,
    "text": check_text,
    "": check_text,
}


@pytest.mark.parametrize("block", blocks(), ids=str)
def test_a_block_is_what_it_says(block: Block) -> None:
    assert block.language in CHECKS, f"{block}: write one of {', '.join(filter(None, CHECKS))} behind the fence"
    CHECKS[block.language](block)


@pytest.mark.parametrize(
    ("language", "code", "says"),
    [
        ("sh", "hil run rnnpool_face_m4 photo.jpg --fitt", "no option --fitt"),
        ("sh", "hil ran rnnpool_face_m4", "no command hil ran"),
        ("sh", "hil run rnnpool_face_m4", "takes 2 to 2 arguments, not 1"),
        ("sh", "hil run rnnpool_face_m4 photo.jpg --json", "takes a value"),
        ("sh", "make demmo", "no demmo"),
        ("sh", "pip install 'rnnpool-hil[onxx]'", "no extra onxx"),
        ("sh", "pytest --hil-tarket sim", "no option --hil-tarket"),
        ("sh", "robot --varible TARGET:sim robot_tests", "varible"),
        ("sh", "cd x && hill run", "no such program"),
        ("sh", "if true", "end of file|expecting"),
        ("", "hil run MODEL IMAGE [--fitt]", "no option --fitt"),
        ("", "hil cycles ELF [--json]\n           [--repeet N]", "no option --repeet"),
        ("", "hil doctor", "is a command"),
        ("text", "make demo", "is a command"),
        ("text", "hil ran [OPTION]...", "no command hil ran"),
        ("python", "from hil.board import laod", "laod"),
        ("python", "def f(:", "invalid syntax"),
        ("toml", "a = ", "Invalid value"),
        ("json", "{", "Expecting"),
        ("robotframework", "*** Test Cases ***\nA\n    Corrupt Next Fraim\n", "1 == 0"),
    ],
)
def test_a_block_that_is_wrong_is_noticed(language: str, code: str, says: str) -> None:
    with pytest.raises(Exception, match=says):
        CHECKS[language](Block("x.md", 1, language, code + "\n"))


def test_blocks_in_lists_are_found() -> None:
    (found,) = blocks_of("1. one\n\n   ```sh\n   hil demo\n   ```\n", "x.md")
    assert found == Block("x.md", 3, "sh", "hil demo\n")


def test_where_output_goes_is_no_argument() -> None:
    assert commands("hil doctor 2> said.txt &\ncat said.txt > found.txt") == [["hil", "doctor"], ["cat", "said.txt"]]


def test_every_page_was_read() -> None:
    assert {"README.md", "docs/boards.md", "docs/reference/commands.md"} <= {block.page for block in blocks()}
