"""Renode's portable release, from its archive to where find() looks for it; and pyrenode3 into this environment."""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO

from hil.errors import HilError
from hil.targets.lock import BoardLock
from hil.targets.pyrenode import release
from hil.targets.pyrenode.release import PYRENODE3, Archive

Step = Callable[[str, float], None]
_CHUNK = 1 << 20
_PATIENCE_S = 600.0  # for another installation
_MARKS = ("renode", ".renode-root")  # what lies at the top of every release


def unpack(archive: Path, sha256: str, home: Path, step: Step = lambda what, done: None) -> Path:
    """Put the Renode of an archive into a folder, in the place of the one there was. Returns its program.

    Nothing is changed unless all of it is there. Raises HilError where the archive cannot be read, is not the one that
    was meant, is cut off or no release of Renode, and where the folder cannot be written.
    """
    lock = BoardLock(f"the installation of Renode in {home.parent}")
    lock.acquire(_PATIENCE_S)
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        for stale in home.parent.glob(f".{home.name}-*"):  # of an installation that was killed
            shutil.rmtree(stale, ignore_errors=True)
        _check(archive, sha256, step)
        with tempfile.TemporaryDirectory(prefix=f".{home.name}-", dir=home.parent) as folder:
            new, old = Path(folder) / "new", Path(folder) / "old"
            step(f"unpacking {archive.name}", 0)
            with tarfile.open(archive, "r:gz") as tar:
                _extract(tar, new)
            top = _top(new, archive)
            if home.exists():
                home.rename(old)
            top.rename(home)
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise HilError(f"{archive} is cut off or damaged ({error}): get it again") from error
    except OSError as error:
        place = error.filename or home
        raise HilError(f"cannot install Renode from {archive}: {place}: {error.strerror or error}") from error
    finally:
        lock.release()
    return home / "renode"


def download(archive: Archive, folder: Path, step: Step = lambda what, done: None) -> Path:
    """Fetch a release into a folder. Raises HilError where it cannot be had."""
    path = folder / archive.name
    try:
        with urllib.request.urlopen(archive.url, timeout=60) as answer, path.open("wb") as file:
            size = int(answer.headers.get("Content-Length") or 0)
            _copy(answer, file.write, lambda done: step(f"fetching {archive.name}", done / size if size else 0))
    except (urllib.error.URLError, OSError) as error:
        raise HilError(
            f"cannot fetch {archive.url}: {getattr(error, 'reason', error)}; where there is no network, bring the file "
            f"here and run {release.INSTALL} --from {archive.name}"
        ) from error
    return path


def install_pyrenode3(source: str = PYRENODE3) -> None:
    """Have pip bring pyrenode3 into this environment, where it is not there yet. Raises HilError where it fails."""
    if importlib.util.find_spec("pyrenode3") is not None:
        return
    done = subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", source], capture_output=True, text=True)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise HilError(
            f"pip cannot install pyrenode3 ({said[-1] if said else 'it says nothing'}); where there is no network, "
            f"bring its wheel or sources here and run {release.INSTALL} --pyrenode3 PATH"
        )
    importlib.invalidate_caches()


def _check(archive: Path, sha256: str, step: Step) -> None:
    digest, size = hashlib.sha256(), archive.stat().st_size
    with archive.open("rb") as file:
        _copy(file, digest.update, lambda done: step(f"checking {archive.name}", done / size if size else 0))
    if digest.hexdigest() != sha256.lower():
        raise HilError(
            f"{archive} is not the archive that was meant, or not all of it: its SHA-256 is {digest.hexdigest()}, "
            f"expected {sha256.lower()}; get it again, or say --sha256 if another one is meant"
        )


def _copy(source: IO[bytes], take: Callable[[bytes], object], told: Callable[[int], None]) -> None:
    done = 0
    while chunk := source.read(_CHUNK):
        take(chunk)
        done += len(chunk)
        told(done)


def _extract(tar: tarfile.TarFile, folder: Path) -> None:
    """Raises TarError for a member that would lie, or lead, outside of the folder, and for a device."""
    if hasattr(tarfile, "data_filter"):
        tar.extractall(folder, filter="data")
        return
    top = folder.resolve()  # Python 3.11 before 3.11.4 has no filters: Debian 12's
    for member in tar:
        path = (top / member.name).resolve()
        leads = (path.parent / member.linkname if member.issym() else top / member.linkname).resolve()
        if not (path.is_relative_to(top) and leads.is_relative_to(top)) or member.isdev():
            raise tarfile.TarError(f"{member.name} does not belong into the folder")
        tar.extract(member, top)


def _top(folder: Path, archive: Path) -> Path:
    """The one folder that the release lies in."""
    inside = list(folder.iterdir())
    top = inside[0] if len(inside) == 1 else folder
    missing = [name for name in _MARKS if not (top / name).exists()]
    if missing:
        raise HilError(f"{archive} is no portable release of Renode: it lacks {' and '.join(missing)}")
    return top
