"""Whether the Renode at hand works: it is started, asked which it is, and boots a program."""

from __future__ import annotations

from hil.errors import HilError
from hil.targets.pyrenode import probes, release
from hil.targets.pyrenode.find import find
from hil.targets.pyrenode.process import Renode


def check() -> str:
    """Which Renode works, in a line. Raises RenodeMissingError where there is none, HilError where it does not work."""
    installation = find()
    where = f"{installation.path or 'the installed package'} on {installation.runtime}"
    renode = Renode()
    try:
        version = renode.version
        if release.is_too_old(version):
            raise HilError(f"{where} is Renode {version}, {release.VERSION} is needed")
        boots = renode.call("probe") == probes.PASSED
        if not boots or renode.call("probe", "undefined_instruction") != probes.TRAPPED:
            raise HilError(f"{where} starts, but runs a program wrongly")
    finally:
        renode.end()
    tested = "" if version in release.TESTED else ", which was not tested with this bench"
    return f"{version}{tested}: {where}; boots a program"
