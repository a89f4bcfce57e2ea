"""Which Renode the bench works with, where it comes from and where it goes: the one place that says so."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path

from hil import caches
from hil.errors import HilError

VERSION = "1.16.1"  # what is installed; an older one lacks what the bench's parts of the platform use
TESTED = (VERSION,)
INSTALL = "hil renode install"
GET_MONO = "apt-get install -y mono-complete"
PYRENODE3 = (
    "pyrenode3 @ git+https://github.com/antmicro/pyrenode3.git@dde4a47660ef1b8874a91ed514a0bd04b33a5add"  # of May 2026
)
_ADDRESS = "https://github.com/renode/renode/releases/download"
_MACHINES = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}


@dataclass(frozen=True)
class Archive:
    """A portable release: Renode with the .NET that it runs on."""

    name: str
    sha256: str

    @property
    def url(self) -> str:
        return f"{_ADDRESS}/v{VERSION}/{self.name}"


# After 1.16.1 the names end in -portable.tar.gz.
ARCHIVES = {
    ("linux", "x64"): Archive(
        f"renode-{VERSION}.linux-portable-dotnet.tar.gz",
        "00e113cdbd0f5354cf2f64bbe3f5a070d8958409542fca66e45ac97d982938c0",
    ),
    ("linux", "arm64"): Archive(
        f"renode-{VERSION}.linux-arm64-portable-dotnet.tar.gz",
        "fff3a098c96ed0a4ffbdff3f028c9c5fde432db09587c7bd7c99406180f90007",
    ),
}


def archive(system: str | None = None, machine: str | None = None) -> Archive:
    """The release for a system ("Linux") on a machine ("x86_64"); for this one by default. HilError: there is none."""
    system, machine = (system or platform.system()).lower(), (machine or platform.machine()).lower()
    found = ARCHIVES.get((system, _MACHINES.get(machine, machine)))
    if found is None:
        known = ", ".join(" ".join(key) for key in ARCHIVES)
        raise HilError(
            f"no portable Renode is known for {system} {machine} (but for {known}): "
            "install Renode by its own manual and set PYRENODE_BIN or PYRENODE_BUILD_DIR (docs/renode.md)"
        )
    return found


def home() -> Path:
    """Where `hil renode install` puts Renode, and find() looks for it."""
    return caches.root() / f"renode-{VERSION}"


def is_too_old(version: str) -> bool:
    return _parts(version) < _parts(VERSION)


def _parts(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
