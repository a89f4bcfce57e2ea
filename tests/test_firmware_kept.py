"""Compiled firmware in the cache: found again where all is the same, and only whole; places that a build works in."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from other_user import as_another_user
from stub_firmware import need

from hil import caches
from hil.errors import HilError
from hil.firmware import kept, scratch
from hil.firmware.build import build
from hil.firmware.scratch import beside, plain_folder
from hil.paths import copy_sources, source_root


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(caches.VARIABLE, str(tmp_path / "cache"))


@pytest.fixture
def made(tmp_path: Path) -> Path:
    folder = tmp_path / "made"
    (folder / "stack_usage").mkdir(parents=True)
    (folder / "firmware.elf").write_bytes(bytes(range(256)) * 100)
    (folder / "stack_usage" / "000_main.su").write_text("main 16 static\n")
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_what_was_kept_comes_back_whole(made: Path, tmp_path: Path) -> None:
    kept.keep("a", made)
    assert kept.take("a", tmp_path / "back") and files(tmp_path / "back") == files(made)
    assert not kept.take("b", tmp_path / "other") and not (tmp_path / "other").exists()
    kept.keep("a", made)  # again: no error, no second one
    assert [path.name for path in caches.folder("firmware").iterdir()] == ["a"]


@pytest.mark.parametrize("harm", ["cut", "flip", "lose", "add", "no sums"])
def test_a_damaged_one_is_compiled_again(made: Path, tmp_path: Path, harm: str) -> None:
    kept.keep("a", made)
    elf = caches.folder("firmware") / "a" / "firmware.elf"
    if harm == "cut":
        elf.write_bytes(elf.read_bytes()[:-1])
    elif harm == "flip":
        elf.write_bytes(b"\x01" + elf.read_bytes()[1:])
    elif harm == "lose":
        elf.unlink()
    elif harm == "add":
        elf.with_name("another").touch()
    else:
        elf.with_name("sha256sums").unlink()
    assert not kept.take("a", tmp_path / "back") and not (tmp_path / "back").exists()


def test_only_the_newest_are_kept(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "KEPT", 2)
    for age, key in enumerate("abc"):
        kept.keep(key, made)
        os.utime(caches.folder("firmware") / key, (1e9 + age, 1e9 + age))
    kept.keep("d", made)
    assert sorted(path.name for path in caches.folder("firmware").iterdir()) == ["c", "d"]


def test_a_cache_that_cannot_be_written_is_no_error(made: Path, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(caches.VARIABLE, str(tmp_path / "file" / "below"))
    kept.keep("a", made)
    assert not kept.take("a", tmp_path / "back")


def test_sources_preset_kernels_compiler_and_flags_each_make_another_key(tmp_path: Path, monkeypatch) -> None:
    compiler = tmp_path / "compiler"
    compiler.write_text("#!/bin/sh\necho 12.2\n")
    compiler.chmod(0o755)
    builds = ("id", "board", "fast"), ("other", "board", "fast"), ("id", "native", "fast"), ("id", "board", "portable")
    keys = [kept.key_of(*build, str(compiler)) for build in builds]
    assert kept.key_of("id", "board", "fast", str(compiler)) == keys[0]
    monkeypatch.setenv("CFLAGS", "-Og")
    keys.append(kept.key_of("id", "board", "fast", str(compiler)))
    monkeypatch.delenv("CFLAGS")
    compiler.write_text("#!/bin/sh\necho 13.2\n")
    keys.append(kept.key_of("id", "board", "fast", str(compiler)))
    assert len(set(keys)) == len(keys)


def test_a_folder_for_cmake_has_a_plain_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = tmp_path / "spaces; and Ümläute"
    odd.mkdir()
    monkeypatch.setattr(scratch.tempfile, "gettempdir", lambda: str(odd))
    with plain_folder() as folder:
        assert scratch._PLAIN.fullmatch(str(folder)) and folder.is_dir()
    assert not folder.exists()
    monkeypatch.setattr(scratch, "can_write", lambda _: False)
    with pytest.raises(HilError, match="CMake needs a folder to work in without spaces.*set TMPDIR or HIL_CACHE"):
        scratch._plain_parent()


def test_what_a_killed_build_left_goes_with_the_next(tmp_path: Path) -> None:
    wanted = tmp_path / "out" / "generated"
    with beside(wanted) as first:
        (first / "half").touch()
        name = first
    assert not name.exists()
    name.mkdir()
    (name / "half").touch()
    with beside(wanted) as again:
        assert again == name and not list(again.iterdir())
    assert list((tmp_path / "out").iterdir()) == []


def test_copied_sources_can_be_changed_and_deleted(tmp_path: Path) -> None:
    """Whatever rights the installation gives them."""
    copy_sources(tmp_path / "copy")
    mode = (tmp_path / "copy" / "firmware_src" / "kernels").stat().st_mode
    assert mode & 0o700 == 0o700 and (tmp_path / "copy" / "CMakeLists.txt").stat().st_mode & 0o600 == 0o600
    assert not list((tmp_path / "copy").rglob("limits.toml")) and list(source_root().rglob("limits.toml"))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root, to be another user too")
def test_a_folder_of_another_user_is_named(public_folder: Path) -> None:
    """What `sudo hil build` leaves under build/ for the `hil build` that follows."""
    theirs = public_folder / "build"
    theirs.mkdir(mode=0o755)
    code = "from hil.firmware.scratch import beside; beside(Path(sys.argv[1]) / 'below' / 'generated').__enter__()"
    assert as_another_user(code, theirs) == f"cannot make the folder {theirs / 'below'}: Permission denied\n"


def test_a_directory_with_a_damaged_plan_or_no_firmware_is_made_again(tmp_path: Path) -> None:
    need("cc", "cmake")
    first = build("rnnpool_face_m4", "stm32f407_disco", tmp_path / "out", "native")
    for harm in ("", "{}", "[" * 100_000):
        (first.directory / "model" / "plan.json").write_text(harm)
        first.elf.unlink()
        again = build("rnnpool_face_m4", "stm32f407_disco", tmp_path / "out", "native")
        assert again.build_id == first.build_id and again.elf.is_file()
    assert {path.name for path in tmp_path.iterdir()} == {"cache", "out"}
