"""The cache is the user's own folder, or a private one, and machine code in it is of these sources alone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from other_user import as_another_user
from stub_firmware import REPOSITORY

from hil import caches
from hil.errors import HilError

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs POSIX users and homes")
SAY_ROOT = "print(hil.caches.root())"


@pytest.fixture(autouse=True)
def nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (caches.VARIABLE, "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)


def test_it_is_the_users_cache_folder_and_closed_to_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "mine"))
    assert caches.root() == tmp_path / "mine" / "rnnpool-hil"
    assert caches.root().stat().st_mode & 0o777 == 0o700
    assert caches.folder("a", "b") == tmp_path / "mine" / "rnnpool-hil" / "a" / "b"


def test_a_folder_may_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(caches.VARIABLE, str(tmp_path / "named"))
    assert caches.root() == tmp_path / "named"
    (tmp_path / "file").touch()
    monkeypatch.setenv(caches.VARIABLE, str(tmp_path / "file" / "below"))
    with pytest.raises(HilError, match="HIL_CACHE=.*cannot be written: set it to a folder of your own"):
        caches.root()


def test_without_a_home_it_is_a_private_temporary_one(public_folder: Path) -> None:
    """Of a user who has none in the system's list either; and nothing called ~ is made."""
    said = as_another_user(f"os.chdir({str(public_folder)!r}); os.environ.pop('HOME', 0); {SAY_ROOT}",
                           TMPDIR=str(public_folder))  # fmt: skip
    home_less = public_folder / "rnnpool-hil-65534" if os.geteuid() == 0 else Path(said.strip())
    assert said == f"{home_less}\n" and not (public_folder / "~").exists()
    assert home_less.stat().st_mode & 0o777 == 0o700


def test_a_home_that_cannot_be_written_does_not_matter(public_folder: Path) -> None:
    said = as_another_user(SAY_ROOT, HOME="/proc", TMPDIR=str(public_folder))
    assert Path(said.strip()).parent == public_folder


def test_a_home_of_another_user_is_not_written_into(public_folder: Path, monkeypatch) -> None:
    """`sudo hil build` must leave nothing there that its owner cannot write."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to give a folder away")
    home = public_folder / "home"
    home.mkdir()
    os.chown(home, 65534, 65534)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr(tempfile, "tempdir", str(public_folder))
    assert caches.root() == public_folder / "rnnpool-hil-0" and not list(home.iterdir())


def test_what_others_put_into_its_place_is_not_used(public_folder: Path) -> None:
    """A link to a victim's folder, a folder of theirs: the cache goes elsewhere."""
    number = 65534 if os.geteuid() == 0 else os.geteuid()
    victim = public_folder / "victim"
    victim.mkdir(mode=0o777)
    victim.chmod(0o777)
    planted = public_folder / f"rnnpool-hil-{number}"
    planted.symlink_to(victim)
    said = as_another_user(f"{SAY_ROOT}; hil.locks.Lock('board').acquire()", HOME="/proc", TMPDIR=str(public_folder))
    assert Path(said.strip()) != planted and not list(victim.iterdir())
    planted.unlink()
    planted.mkdir()
    planted.chmod(0o777)  # whoever owns it, others may write
    said = as_another_user(SAY_ROOT, HOME="/proc", TMPDIR=str(public_folder))
    assert Path(said.strip()) != planted and not list(planted.iterdir())


def test_only_the_newest_folders_stay(tmp_path: Path) -> None:
    for age, name in enumerate(("newest", "newer", "old", "oldest")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "code").touch()
        os.utime(tmp_path / name, (1e9 - age, 1e9 - age))
    caches.forget_oldest(tmp_path, 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["newer", "newest"]


COMPILE = """
from hil.reference import boxes
import numpy as np
print(len(boxes.nms(np.zeros((1, 6), np.float32), 0.5, 1, False)), sum(boxes.nms.stats.cache_hits.values()))
"""


def compiled(package: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if key not in ("HOME", "PYTHONPATH")}
    settings = clean | {"PYTHONPATH": str(package), "PYTHONDONTWRITEBYTECODE": "1"} | environment
    return subprocess.run([sys.executable, "-c", COMPILE], cwd=package, env=settings, capture_output=True, text=True)


def test_machine_code_lies_in_the_cache_and_is_found_again(tmp_path: Path) -> None:
    for hits in (0, 1):
        done = compiled(REPOSITORY, HIL_CACHE=str(tmp_path))
        assert done.returncode == 0, done.stderr
        assert done.stdout.split()[-1] == str(hits)
    assert len(list(tmp_path.glob("machine-code/reference/*/*.nbc"))) == 1


def test_damaged_machine_code_is_compiled_again(tmp_path: Path) -> None:
    compiled(REPOSITORY, HIL_CACHE=str(tmp_path))
    for path in tmp_path.glob("machine-code/reference/*/*"):
        path.write_bytes(path.read_bytes()[:20])
    done = compiled(REPOSITORY, HIL_CACHE=str(tmp_path))
    assert done.returncode == 0 and done.stdout.startswith("1"), done.stderr


def test_a_full_disk_keeps_no_machine_code_and_costs_nothing_else() -> None:
    """/dev/full as the folder of every file that is opened to write."""
    code = (
        "import builtins, errno\n"
        "import hil.machine_code\n"
        "real = open\n"
        "def full(path, mode='r', *rest, **more):\n"
        "    if 'w' in mode: raise OSError(errno.ENOSPC, 'No space left on device')\n"
        "    return real(path, mode, *rest, **more)\n"
        "builtins.open = full\n" + COMPILE
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith("1"), done.stderr


def test_code_of_other_sources_is_not_looked_at(tmp_path: Path) -> None:
    """A constant in another file than the function's: numba itself would not notice."""
    package = tmp_path / "changed"
    shutil.copytree(REPOSITORY / "hil", package / "hil", ignore=shutil.ignore_patterns("__pycache__", "zoo"))
    for change in ("", "# changed\n"):
        with (package / "hil" / "reference" / "crop.py").open("a") as file:
            file.write(change)
        assert compiled(package, HIL_CACHE=str(tmp_path / "cache")).returncode == 0
    assert len(list((tmp_path / "cache" / "machine-code" / "reference").iterdir())) == 2


def test_no_function_is_kept_beside_its_source() -> None:
    """Only hil.machine_code may ask numba to compile: its own cache is in __pycache__."""
    for path in (REPOSITORY / "hil").rglob("*.py"):
        text = path.read_text()
        if path.name != "machine_code.py":
            assert "cache=True" not in text and not re.search(r"from numba import.*\b(njit|cfunc|jit)\b", text), path
