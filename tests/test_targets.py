"""Choosing a target, and turning addresses into names."""

from __future__ import annotations

from pathlib import Path

import pytest
from board_programs import DISCO, program

from hil import targets
from hil.errors import HilError
from hil.targets import TargetFault, create
from hil.targets.sim import SimTarget
from hil.targets.symbols import Symbols, symbols


def test_create_by_name() -> None:
    assert isinstance(create("sim", DISCO, runaway_s=1.0), SimTarget)


def test_unknown_target_lists_the_known_ones() -> None:
    with pytest.raises(HilError, match="no target is called 'qemu': choose one of sim, native, renode, serial"):
        create("qemu", DISCO)


def test_target_whose_package_is_missing_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    def import_module(_name: str) -> None:
        raise ModuleNotFoundError("No module named 'serial'", name="serial")

    monkeypatch.setattr(targets, "import_module", import_module)
    with pytest.raises(HilError, match="target 'serial' needs the Python package 'serial': pip install"):
        create("serial", DISCO)


def test_target_that_is_not_there_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def import_module(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(targets, "import_module", import_module)
    with pytest.raises(HilError, match="target 'renode' is not part of this version"):
        create("renode", DISCO)


@pytest.fixture(scope="module")
def table() -> Symbols:
    return symbols(program("crashes"))


def test_address_of_a_function_has_the_thumb_bit(table: Symbols) -> None:
    address = table.address("crash_by_division") or 0
    assert address & 1
    assert table.function(address) == table.function(address & ~1) == "crash_by_division"


def test_line_is_that_of_the_source(table: Symbols) -> None:
    source = (Path(__file__).parent / "firmware" / "crashes.c").read_text().splitlines()
    line = table.line(table.address("crash_by_flash_write") or 0) or ""
    name, number = line.split(":")
    assert name == "crashes.c"
    assert "crash_by_flash_write" in source[int(number) - 1]


def test_description_names_function_and_line(table: Symbols) -> None:
    assert table.describe(table.address("crash_by_undefined") or 0).startswith("crash_by_undefined (crashes.c:")


def test_address_outside_every_function_is_described_by_itself(table: Symbols) -> None:
    assert table.function(0x2000_0000) is None
    assert table.line(0x2000_0000) is None
    assert table.describe(0x2000_0000) == "0x20000000"
    assert table.address("no_such_symbol") is None


def test_symbols_are_read_again_when_the_file_changes(tmp_path: Path) -> None:
    path = tmp_path / "a.elf"
    path.write_bytes(program("crashes").read_bytes())
    first = symbols(path)
    assert symbols(path) is first
    path.write_bytes(program("echo").read_bytes())
    assert symbols(path).address("take") is None or symbols(path) is not first
    assert symbols(path).address("crash_by_division") is None


def test_fault_message_stands_alone() -> None:
    fault = TargetFault(
        "bus fault", "4 bytes at 0x30000000", pc=0x0800_0124, lr=0x0800_0201, sp=0x2000_0FF0, cfsr=0x8200,
        symbol="conv_row", line="conv.c:42",
    )  # fmt: skip
    assert str(fault) == (
        "firmware: bus fault in conv_row (conv.c:42): 4 bytes at 0x30000000 "
        "[PC 0x08000124, LR 0x08000201, SP 0x20000ff0, CFSR 0x00008200]"
    )
