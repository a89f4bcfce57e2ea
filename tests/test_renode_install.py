"""`hil renode install`: an archive of the release's layout, from where it lies to where the bench finds it."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from board_programs import need_compiler
from doc_blocks import block
from shell import run_shell

from hil.errors import HilError
from hil.targets.pyrenode import install, release
from hil.targets.pyrenode.find import Installation
from hil.targets.pyrenode.install import unpack

TOP = f"renode_{release.VERSION}-dotnet_portable"
NAME = release.archive("Linux", "x86_64").name


def pack(path: Path, names: tuple[str, ...] = (f"{TOP}/renode", f"{TOP}/.renode-root")) -> str:
    """An archive with small files of these names. Returns its SHA-256."""
    with tarfile.open(path, "w:gz") as tar:
        for name in names:
            content = os.urandom(4096)
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o755
            tar.addfile(member, io.BytesIO(content))
    return digest(path)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "renode"


def left_over(home: Path) -> list[str]:
    return sorted(path.name for path in home.parent.iterdir() if path != home) if home.parent.exists() else []


def test_an_archive_is_unpacked_without_its_top_folder(tmp_path: Path, home: Path) -> None:
    program = unpack(tmp_path / NAME, pack(tmp_path / NAME), home)
    assert program == home / "renode" and os.access(program, os.X_OK)
    assert (home / ".renode-root").exists() and left_over(home) == []


def test_it_takes_the_place_of_what_was_there_and_of_what_was_left_half_done(tmp_path: Path, home: Path) -> None:
    (home / "lib").mkdir(parents=True)
    (home.parent / f".{home.name}-killed").mkdir()
    unpack(tmp_path / NAME, pack(tmp_path / NAME), home)
    assert not (home / "lib").exists() and left_over(home) == []


def test_a_wrong_checksum_is_refused_and_changes_nothing(tmp_path: Path, home: Path) -> None:
    home.mkdir(parents=True)
    found = pack(tmp_path / NAME)
    meant = release.archive("Linux", "x86_64").sha256
    with pytest.raises(HilError, match=f"its SHA-256 is {found}, expected {meant}"):
        unpack(tmp_path / NAME, meant, home)
    assert list(home.iterdir()) == [] and left_over(home) == []


def test_a_truncated_archive_is_refused(tmp_path: Path, home: Path) -> None:
    pack(tmp_path / NAME)
    whole = (tmp_path / NAME).read_bytes()
    for size in (0, 100, len(whole) // 2, len(whole) - 100):
        (tmp_path / NAME).write_bytes(whole[:size])
        with pytest.raises(HilError, match="is cut off or damaged .*: get it again"):
            unpack(tmp_path / NAME, digest(tmp_path / NAME), home)
        assert not home.exists() and left_over(home) == []


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sha256 = pack(tmp_path / NAME)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(home / "renode"))

    monkeypatch.setattr(tarfile.TarFile, "makefile", full)
    with pytest.raises(HilError, match="cannot install Renode from .*: No space left on device"):
        unpack(tmp_path / NAME, sha256, home)
    assert not home.exists() and left_over(home) == []


def test_something_else_in_an_archive_is_refused(tmp_path: Path, home: Path) -> None:
    sha256 = pack(tmp_path / NAME, ("cat/renode",))
    with pytest.raises(HilError, match="is no portable release of Renode: it lacks .renode-root"):
        unpack(tmp_path / NAME, sha256, home)


@pytest.mark.parametrize("has_filters", [True, False])
def test_a_path_out_of_the_folder_is_refused(tmp_path: Path, home: Path, monkeypatch, has_filters: bool) -> None:
    if not has_filters:  # Python 3.11 before 3.11.4
        monkeypatch.delattr(tarfile, "data_filter", raising=False)
    sha256 = pack(tmp_path / NAME, (f"{TOP}/renode", f"{TOP}/.renode-root", "../../outside"))
    with pytest.raises(HilError, match="is cut off or damaged"):
        unpack(tmp_path / NAME, sha256, home)
    assert not (tmp_path / "outside").exists()


def test_an_archive_that_is_not_there_is_named(tmp_path: Path, home: Path) -> None:
    with pytest.raises(HilError, match="nothing.tar.gz: No such file or directory"):
        unpack(tmp_path / "nothing.tar.gz", "0" * 64, home)


def test_a_download_is_what_the_address_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there, here = tmp_path / f"v{release.VERSION}", tmp_path / "here"
    there.mkdir()
    here.mkdir()
    pack(there / NAME)
    monkeypatch.setattr(release, "_ADDRESS", tmp_path.as_uri())
    assert digest(install.download(release.archive("Linux", "x86_64"), here)) == digest(there / NAME)
    with pytest.raises(HilError, match=r"cannot fetch .*; where there is no network, .* hil renode install --from"):
        install.download(release.archive("Linux", "aarch64"), here)


def test_a_system_without_a_release_is_said() -> None:
    with pytest.raises(HilError, match="no portable Renode is known for plan9 vax"):
        release.archive("Plan9", "VAX")


def test_a_pip_that_fails_is_explained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(install.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(HilError, match=r"pip cannot install pyrenode3 \(.+\).* --pyrenode3 PATH"):
        install.install_pyrenode3(str(tmp_path / "no_such_wheel.whl"))


# -- the real thing


def pack_the_real_one(used: Installation, path: Path) -> str:
    """The Renode that is here, as a release has it."""
    if used.path is None:
        pytest.skip("the Renode here is the distribution's package, not a folder that could be packed")
    root = used.path if used.path.is_dir() else used.path.parent
    parts = ["renode", ".renode-root", "platforms", "scripts", "output/bin/Release"]
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for part in (*map(root.joinpath, parts), *root.glob("*.so")):
            if part.exists():
                tar.add(part, f"{TOP}/{part.relative_to(root)}")
    return digest(path)


@pytest.fixture
def nothing_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without Renode, for the commands that a test starts. Returns their cache."""
    for name in [name for name in os.environ if name.startswith("PYRENODE")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HIL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.xdist_group("renode")
def test_from_an_archive_of_the_real_one_the_demo_boots_and_readmes_commands_run(
    renode_here: Installation, nothing_here: Path, tmp_path: Path, users_folder: Path
) -> None:
    need_compiler()
    whole, half = tmp_path / NAME, tmp_path / "half.tar.gz"
    sha256 = pack_the_real_one(renode_here, whole)
    half.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    home = nothing_here / f"renode-{release.VERSION}"
    for archive, meant, code, said in (
        (whole, sha256[::-1], 2, "is not the archive that was meant"),
        (half, digest(half), 2, "is cut off or damaged"),
        (whole, sha256, 0, "rnnpool_face_m4 runs"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "hil", "renode", "install", "--from", str(archive), "--sha256", meant],
            capture_output=True, text=True, env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )  # fmt: skip
        assert done.returncode == code, done.stderr
        assert said in done.stdout + done.stderr and "Traceback" not in done.stderr
        assert home.exists() == (code == 0)
        assert [name for name in left_over(home) if name.startswith(".")] == []  # nothing half unpacked
    said = run_shell(block("README.md", "sh", "hil renode install"), users_folder)
    assert "boots a program" in said and str(home) in said and "bit-exact" in said
