"""docs/link.md is the protocol: its tables and the code's layouts must be the same."""

from __future__ import annotations

import re

import pytest
from stub_firmware import REPOSITORY

from hil.link import messages
from hil.link.fault import FAULT
from hil.link.layout import Field
from hil.link.messages import Object, Type

TEXT = (REPOSITORY / "docs" / "link.md").read_text()
ROW = re.compile(r"\| (\d+) \| (\d+|n) \| ([^|]+) \|")

LAYOUTS = {
    "BEGIN": messages.BEGIN,
    "TILE": messages.TILE,
    "READ": messages.READ,
    "RELEASE": messages.RELEASE,
    "WELCOME": messages.WELCOME,
    "STATUS": messages.STATUS,
    "DATA": messages.DATA,
    "FAULT": FAULT,
    "INFO": messages.INFO,
    "RESULT": messages.RESULT,
}


def table(name: str) -> list[tuple[int, int | None, str]]:
    """Offset, size (None: variable) and field of each row below a heading."""
    section = re.search(rf"^### {name}\b[^\n]*\n(.*?)(?=^##|\Z)", TEXT, re.M | re.S)
    assert section, f"no section {name}"
    rows = [match.groups() for match in ROW.finditer(section[1])]
    return [(int(offset), None if size == "n" else int(size), field.strip()) for offset, size, field in rows]


def described(field: Field) -> str:
    """A field as a table has it: "u32 taken", or the name alone of bytes and text."""
    kind = {"B": "u8 ", "h": "i16 ", "H": "u16 ", "I": "u32 ", "Q": "u64 "}.get(field.code, "")
    return kind + field.name


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
    assert [field for _, _, field in fixed] == [described(field) for field in LAYOUTS[name].fields]


@pytest.mark.parametrize("type", list(Type), ids=lambda type: type.name)
def test_every_type_has_its_section(type: Type) -> None:
    assert re.search(rf"^### .*\b{type.name} 0x{type.value:02x}\b", TEXT, re.M)


def test_every_object_has_its_row() -> None:
    assert re.findall(r"^\| (\d) \| ([A-Z_]+) \|", TEXT, re.M) == [(str(o.value), o.name) for o in Object]


def test_every_reason_is_listed() -> None:
    listed = re.search(r"u8 reason \|([^|]*)\|", TEXT)
    assert listed and [int(n) for n in re.findall(r"\b(\d) ", listed[1])] == list(messages.REASONS)
