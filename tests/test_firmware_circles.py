"""The firmware's files call one way: no two files, however many lie between them, need each other."""

from __future__ import annotations

import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from hil.paths import source_root

FIRMWARE = source_root() / "firmware_src"

_DEFINITION = re.compile(r"^(?!static|typedef)[a-zA-Z_][\w \t*]*?\b(\w+)\([^;{]*\)\s*\{", re.MULTILINE)
_STATIC = re.compile(r"^static[\w \t*()]*?\b(\w+)\([^;{]*\)\s*\{", re.MULTILINE)
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_USE = re.compile(r"\b(\w+)\b")


def calls(folders: list[Path]) -> dict[str, set[str]]:
    """For each C file the others whose functions it names."""
    files = [path for folder in folders for path in folder.glob("*.c")]
    texts = {path: _COMMENT.sub("", path.read_text()) for path in files}
    owners = {name: path for path, text in texts.items() for name in _DEFINITION.findall(text)}
    return {
        path.name: {
            owners[name].name
            for name in set(_USE.findall(text)) - set(_STATIC.findall(text))
            if name in owners and owners[name] != path
        }
        for path, text in texts.items()
    }


@pytest.mark.parametrize("port", ["stm32f4", "native"])
def test_no_circle(port: str) -> None:
    graph = calls([FIRMWARE / "app", FIRMWARE / "kernels", FIRMWARE / "port" / port])
    assert "image.c" in graph["link.c"] and "fault.c" in graph["clock.c" if port == "stm32f4" else "main.c"]
    list(TopologicalSorter(graph).static_order())


def test_a_circle_is_seen(tmp_path: Path) -> None:
    (tmp_path / "a.c").write_text("void a(void)\n{\n    b();\n}\n")
    (tmp_path / "b.c").write_text("static void a(void)\n{\n}\n\nint b(int x,\n      int y)\n{\n    a();\n    c();\n}\n")
    (tmp_path / "c.c").write_text("// a()\nint c(void)\n{\n    return 0;\n}\n")
    list(TopologicalSorter(calls([tmp_path])).static_order())
    (tmp_path / "c.c").write_text("int c(void)\n{\n    a();\n}\n")
    with pytest.raises(CycleError):
        list(TopologicalSorter(calls([tmp_path])).static_order())
