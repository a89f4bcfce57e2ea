"""docs/link.md is the protocol: its tables and the code's layouts must be the same."""

from __future__ import annotations

import re

import pytest
from stub_firmware import REPOSITORY

from hil.link import messages
from hil.link.fault import FaultReport
from hil.link.messages import Object, Type

TEXT = (REPOSITORY / "docs" / "link.md").read_text()
ROW = re.compile(r"\| (\d+) \| (\d+|n) \| ([^|]+) \|")

LAYOUTS = {
    "BEGIN": messages._BEGIN,
    "TILE": messages._TILE,
    "READ": messages._READ,
    "RELEASE": messages._RELEASE,
    "WELCOME": messages._WELCOME,
    "STATUS": messages._STATUS,
    "DATA": messages._DATA,
    "FAULT": FaultReport.FORMAT,
    "INFO": messages._INFO,
    "RESULT": messages._RESULT,
}


def table(name: str) -> list[tuple[int, int | None, str]]:
    """Offset, size (None: variable) and field of each row below a heading."""
    section = re.search(rf"^### {name}\b[^\n]*\n(.*?)(?=^##|\Z)", TEXT, re.M | re.S)
    assert section, f"no section {name}"
    rows = [match.groups() for match in ROW.finditer(section[1])]
    return [(int(offset), None if size == "n" else int(size), field.strip()) for offset, size, field in rows]


@pytest.mark.parametrize("name", LAYOUTS)
def test_tables_are_the_layouts(name: str) -> None:
    fixed = [row for row in table(name) if row[1] is not None]
    position = 0
    for offset, size, field in fixed:
        assert offset == position, field
        width = re.match(r"[iuf](\d+) ", field)
        assert width is None or int(width[1]) == 8 * (size or 0), field
        position += size or 0
    assert position == LAYOUTS[name].size
    assert len(fixed) == len(LAYOUTS[name].unpack(bytes(position)))


@pytest.mark.parametrize("type", list(Type), ids=lambda type: type.name)
def test_every_type_has_its_section(type: Type) -> None:
    assert re.search(rf"^### .*\b{type.name} 0x{type.value:02x}\b", TEXT, re.M)


def test_every_object_has_its_row() -> None:
    assert re.findall(r"^\| (\d) \| ([A-Z_]+) \|", TEXT, re.M) == [(str(o.value), o.name) for o in Object]


def test_every_reason_is_listed() -> None:
    listed = re.search(r"u8 reason \|([^|]*)\|", TEXT)
    assert listed and [int(n) for n in re.findall(r"\b(\d) ", listed[1])] == list(messages.REASONS)
