"""Commands whose modules look at much of the bench, as `hil --help` lists them: imported when they run."""

from __future__ import annotations


def doctor() -> None:
    """Show what is installed, try which targets work here, and name the command that mends each gap."""
    from hil.commands import doctor

    doctor.doctor()
