"""The wheel and the sdist: complete, accepted by twine, and at work where there is no checkout.

Each is installed into a fresh environment that finds the libraries of this one; tests/install_as_a_user.sh does it with
the registries, as another user.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest
from stub_firmware import REPOSITORY, need

from hil import __version__

ODD = "an installation; with \"quotes\" 'n' back\\slashes Ümläut" if os.name != "nt" else "an installation Ümläut"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both; the wheel is made of the sdist."""
    for tool in ("build", "hatchling", "twine"):
        if find_spec(tool) is None:
            pytest.skip(f"needs {tool}: pip install 'rnnpool-hil[dev]'")
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(REPOSITORY)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return folder


def only(folder: Path, pattern: str) -> Path:
    (found,) = folder.glob(pattern)
    return found


def test_both_pass_twines_check(built: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "twine", "check", "--strict", *map(str, built.iterdir())],
                          capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 0 and done.stdout.count("PASSED") == 2, done.stdout


def test_the_wheel_carries_all_that_a_build_takes(built: Path) -> None:
    inside = set(zipfile.ZipFile(only(built, "*.whl")).namelist())
    for part in ("firmware_src", "platforms"):
        wanted = {f"hil/_data/{path.relative_to(REPOSITORY).as_posix()}" for path in (REPOSITORY / part).rglob("*")
                  if path.is_file() and "__pycache__" not in path.parts}  # fmt: skip
        assert wanted and wanted <= inside, wanted - inside
    assert {"hil/_data/CMakeLists.txt", "hil/_data/CMakePresets.json", "hil/py.typed", "hil/_commit.txt"} <= inside
    assert not [name for name in inside if name.startswith(("tests", "robot_tests", "firmware_src", "platforms"))]


def test_the_sdist_has_every_tracked_file(built: Path) -> None:
    if not (REPOSITORY / ".git").exists() or shutil.which("git") is None:
        pytest.skip("needs a checkout, to know which files are tracked")
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout
    tracked = {name for name in listed.split("\0") if name and (REPOSITORY / name).is_file()}
    with tarfile.open(only(built, "*.tar.gz")) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    assert tracked <= inside, sorted(tracked - inside)[:20]


def test_metadata_says_which_pythons_and_libraries(built: Path) -> None:
    archive = zipfile.ZipFile(only(built, "*.whl"))
    metadata = archive.read(f"rnnpool_hil-{__version__}.dist-info/METADATA").decode()
    assert "Requires-Python: >=3.11" in metadata and "License-Expression: MIT" in metadata
    for version in ("3.11", "3.12", "3.13", "3.14"):
        assert f"Programming Language :: Python :: {version}" in metadata
    assert not re.search(r"/work|/root|localhost|https?://(?!github\.com|pypi\.org|docs\.)[a-z0-9.-]*:\d", metadata)


def installed(package: Path, folder: Path) -> Path:
    """A fresh environment's Python that has the package alone, and sees this environment's libraries behind it."""
    venv.create(folder, with_pip=False, symlinks=os.name != "nt")
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    site = Path(subprocess.run([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
                               capture_output=True, text=True, check=True).stdout.strip())  # fmt: skip
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    done = subprocess.run([*command, "--target", str(site), str(package)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return python


def run(python: Path, folder: Path, *arguments: str) -> str:
    """`hil ARGUMENTS` of an installation, in a folder; nothing of the checkout is seen."""
    clean = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "HIL_AT")}
    command = [str(python), "-P", "-c", "from hil.cli import main; main()", *arguments]
    done = subprocess.run(command, cwd=folder, env=clean | {"COLUMNS": "200", "PYTHONDONTWRITEBYTECODE": "1"},
                          capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def files_of(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


@pytest.mark.xdist_group("wheel")
def test_the_wheel_works_in_an_empty_folder_and_writes_nothing_into_itself(built: Path, tmp_path: Path) -> None:
    """Both with names that CMake, ninja and shells stumble over; the demo builds, emulates and judges."""
    need("arm-none-eabi-gcc", "cmake", "ninja")
    python = installed(only(built, "*.whl"), tmp_path / ODD)
    before = files_of(tmp_path / ODD)
    folder = tmp_path / f"outputs {ODD}"
    folder.mkdir()
    assert re.fullmatch(r"hil \S+ \([0-9a-f]{10}(-dirty)?\)\n", run(python, folder, "--version"))
    assert re.search(r"ok +target sim +works: tried", run(python, folder, "doctor"))
    assert "bit-exact" in run(python, folder, "demo")
    found = json.loads((folder / "build" / "demo" / "run.json").read_text())
    assert found["passed"] and found["bit_exact"]
    assert (folder / "build" / "rnnpool_face_m4" / "stm32f407_disco" / "out").is_dir()
    assert sorted(path.name for path in folder.iterdir()) == ["build"]
    assert files_of(tmp_path / ODD) == before


def test_the_sdist_installs_and_knows_its_commit(built: Path, tmp_path: Path) -> None:
    python = installed(only(built, "*.tar.gz"), tmp_path / "environment")
    from_wheel = zipfile.ZipFile(only(built, "*.whl")).read("hil/_commit.txt").decode().strip()
    assert run(python, tmp_path, "--version") == f"hil {__version__} ({from_wheel})\n"
    code = "from hil import board; from hil.paths import is_installed; print(board.names(), is_installed())"
    done = subprocess.run([python, "-P", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True,
                          env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"})  # fmt: skip
    assert done.stdout.startswith("['nucleo_f401re', ") and done.stdout.endswith("True\n")
