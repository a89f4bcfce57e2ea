"""Which compiler is taken, what an ELF says of its own, and whose limits hold."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from compilers import nothing_installed

from hil import board as boards
from hil.bench.limits import Limit, load_limits
from hil.errors import HilError
from hil.firmware import disassembly, toolchain
from hil.firmware.programs import MissingToolError
from hil.firmware.toolchain import Compiler, compiler_of, find_host_toolchain, find_toolchain

DISCO = boards.load("stm32f407_disco")


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty PATH, and no packages with compilers in them; nobody has chosen one."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("HIL_TOOLCHAIN", raising=False)
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(toolchain, "in_package", lambda package, place: None)
    monkeypatch.setattr("hil.firmware.programs.sysconfig.get_path", lambda name: str(tmp_path / "none"))
    return folder


def install(folder: Path, name: str, said: str = "1.2.3") -> Path:
    program = folder / name
    program.write_text(f"#!/bin/sh\necho '{said}'\n")
    program.chmod(0o755)
    return program


def test_gnus_on_the_path_comes_first(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packaged = {package: install(programs.parent, package) for package in ("gcc_arm_none_eabi", "ziglang")}
    monkeypatch.setattr(toolchain, "in_package", lambda package, place: packaged.get(package))
    assert find_toolchain().program == packaged["gcc_arm_none_eabi"]
    on_path = install(programs, "arm-none-eabi-gcc")
    assert find_toolchain().program == on_path
    on_path.unlink()
    del packaged["gcc_arm_none_eabi"]
    assert (find_toolchain().program, find_toolchain().family) == (packaged["ziglang"], "zig")


def test_the_variable_chooses_and_the_option_wins(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zig, clang = install(programs, "zig"), install(programs, "clang-22", "Debian clang version 22.1.8")
    monkeypatch.setenv("HIL_TOOLCHAIN", "clang-22")
    assert find_toolchain().program == clang
    assert str(find_toolchain().compiler) == "clang 22.1.8"
    assert find_toolchain("zig").program == zig


def test_a_path_is_a_program_or_a_folder_with_gnus(programs: Path, tmp_path: Path) -> None:
    (tmp_path / "arm" / "bin").mkdir(parents=True)
    gcc = install(tmp_path / "arm" / "bin", "arm-none-eabi-gcc")
    assert find_toolchain(str(gcc)).program == find_toolchain(str(tmp_path / "arm")).program == gcc
    assert find_toolchain(str(gcc)).compiler == Compiler("gcc", "1.2.3")


@pytest.mark.parametrize(
    ("choice", "remedy"),
    [
        ("clang-99", "apt-get install -y clang-99 lld-99"),
        ("zig", r"pip install 'rnnpool-hil\[toolchain\]'"),
        ("mine", "choose gcc, clang, zig, or a compiler's name or path"),
    ],
)
def test_one_that_is_not_there_is_named_with_what_to_do(programs: Path, choice: str, remedy: str) -> None:
    with pytest.raises(MissingToolError, match=f"no compiler '{choice}': {remedy}"):
        find_toolchain(choice)


def test_one_that_does_not_run_is_no_traceback(programs: Path) -> None:
    install(programs, "arm-none-eabi-gcc").write_text("#!/bin/sh\nexit 3\n")
    with pytest.raises(MissingToolError, match="does not run as a compiler"):
        _ = find_toolchain().compiler
    install(programs, "arm-none-eabi-gcc", "no number")
    with pytest.raises(MissingToolError, match="does not tell its version"):
        _ = find_toolchain().compiler


def test_the_hosts_is_cc_or_what_cc_says_else_zig(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingToolError, match=r"a C compiler \(cc\): pip install ziglang"):
        find_host_toolchain()
    zig = install(programs.parent, "zig")
    monkeypatch.setattr(toolchain, "in_package", lambda package, place: zig if package == "ziglang" else None)
    assert find_host_toolchain().host_options == [f"-DCMAKE_C_COMPILER={zig};cc"]
    cc = install(programs, "cc", "clang version 14.0.6")
    assert (find_host_toolchain().program, find_host_toolchain().family) == (cc, "clang")
    clang = install(programs, "clang")
    monkeypatch.setenv("CC", "clang -v")
    assert find_host_toolchain().program == clang
    monkeypatch.setenv("HIL_TOOLCHAIN", "arm-none-eabi-gcc")  # the board's, not this computer's
    assert find_host_toolchain().program == clang


def test_no_compiler_at_all_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing_installed(monkeypatch)
    with pytest.raises(MissingToolError, match="needs arm-none-eabi-gcc or another compiler: pip install"):
        find_toolchain()


def test_an_elfs_compiler_is_what_stands_beside_it_else_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elf = tmp_path / "firmware.elf"
    assert compiler_of(elf) is None
    elf.write_bytes(b"")
    for said, compiler in (
        ("GNU C11 12.2.1 20221205 -mcpu=cortex-m4", Compiler("gcc", "12.2.1")),
        ("Debian clang version 14.0.6", Compiler("clang", "14.0.6")),
        ("", None),
    ):
        monkeypatch.setattr(toolchain, "producer", lambda path, said=said: said)
        assert compiler_of(elf) == compiler
    (tmp_path / toolchain.STAMP).write_text("zig 0.17.1\n")
    assert compiler_of(elf) == Compiler("zig", "0.17.1")


def test_limits_of_a_compiler_hold_for_it_alone(tmp_path: Path) -> None:
    board = replace(DISCO, folder=tmp_path)
    (tmp_path / "limits.toml").write_text(
        '[m4]\n"ram.total_bytes" = 1\n["m4@gcc"]\n"cycles.total" = 2\n["m4@gcc-13"]\n"firmware.flash_bytes" = 3\n'
        '["m4/portable@clang"]\n"cycles.total" = 4\n'
    )
    gcc12, gcc13, clang = Compiler("gcc", "12.2.1"), Compiler("gcc", "13.2.1"), Compiler("clang", "14.0.6")
    every = load_limits(replace(DISCO, folder=tmp_path / "none"), "m4") | {"ram.total_bytes": Limit(1)}
    assert load_limits(board, "m4") == load_limits(board, "m4", compiler=clang) == every
    assert load_limits(board, "m4", compiler=gcc12) == every | {"cycles.total": Limit(2)}
    assert load_limits(board, "m4", compiler=gcc13)["firmware.flash_bytes"] == Limit(3)
    assert load_limits(board, "m4", kernels="portable", compiler=clang)["cycles.total"] == Limit(4)


def test_an_address_that_two_halves_make_is_taken() -> None:
    """clang has no literal pools: MOVW and MOVT make a function's address."""
    code = bytes.fromhex("40f20110 c0f60000 7047")  # movw r0, #0x101; movt r0, #0x800; bx lr
    functions = {
        0x0800_0000: disassembly.Function("caller", 0x0800_0000, len(code)),
        0x0800_0100: disassembly.Function("callee", 0x0800_0100, 2),
    }
    reader = disassembly._Reader(functions, [])
    reader.read(0x0800_0000, code)
    assert reader.taken == {0x0800_0100}


def test_nobodys_figures_are_a_limit_for_a_compiler_that_was_not_measured() -> None:
    unknown = load_limits(DISCO, "rnnpool_face_m4", compiler=Compiler("other", "1.0"))
    assert "cycles.total" not in unknown and "firmware.flash_bytes" not in unknown and "ram.total_bytes" in unknown


@pytest.mark.parametrize(
    "compiler", [Compiler("gcc", "12.2.1"), Compiler("gcc", "13.2.1"), Compiler("clang", "14.0.6")]
)
def test_every_compiler_that_was_measured_has_limits_of_its_own(compiler: Compiler) -> None:
    known = load_limits(DISCO, "rnnpool_face_m4", compiler=compiler)
    assert {"cycles.total", "firmware.flash_bytes"} <= known.keys()


def test_a_limits_file_of_the_users_wins_over_a_compilers(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('[rnnpool_face_m4]\n"cycles.total" = 5\n')
    found = load_limits(DISCO, "rnnpool_face_m4", tmp_path / "mine.toml", compiler=Compiler("gcc", "12.2.1"))
    assert found["cycles.total"] == Limit(5)
    with pytest.raises(HilError):
        load_limits(DISCO, "rnnpool_face_m4", tmp_path / "none.toml")


def test_a_compiler_that_was_asked_for_and_is_missing_fails_tests_and_is_not_skipped() -> None:
    """A pipeline with a typing error in it would else be green for ever."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:robotframework",
               "--pyargs", "hil.suite.test_boot", "--hil-target", "sim", "-x"]  # fmt: skip
    done = subprocess.run(
        command, env=os.environ | {"HIL_TOOLCHAIN": "gcc-typo"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1 and "HIL_TOOLCHAIN asks for gcc-typo" in done.stdout, done.stdout[-2000:]
