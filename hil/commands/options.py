"""Options that several commands of `hil` have."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from hil.commands import outputs
from hil.errors import HilError


def ram_bytes(text: str) -> int:
    """A number of bytes, or of KiB with a K behind it. Raises typer.BadParameter for anything else."""
    match = re.fullmatch(r"([0-9]{1,12})([Kk]?)", text)
    if match is None:
        raise typer.BadParameter(f"{text[:40]!r} is no number of bytes: 98304, or 96K")
    return int(match[1]) * (1024 if match[2] else 1)


RamBudget = Annotated[
    int | None,
    typer.Option(
        "--ram-budget",
        metavar="BYTES",
        parser=ram_bytes,
        help="RAM on the chip that the whole firmware may take (98304, 96K); the fastest schedule within it is built.",
    ),
]


def _board_names() -> list[str]:
    from hil import board

    return board.names()


def _target_names() -> list[str]:
    from hil import targets

    return list(targets.NAMES)


DEFAULT_BOARD, DEFAULT_MODEL = "stm32f407_disco", "rnnpool_face_m4"

Model = Annotated[
    str,
    typer.Argument(metavar="MODEL", help="A shipped model's name, or the path of a checkpoint.", show_default=False),
]
ModelOrDefault = Annotated[
    str, typer.Argument(metavar="MODEL", help="A shipped model's name, or the path of a checkpoint.")
]
BoardName = Annotated[
    str,
    typer.Option("--board", "-b", help="A board's name, or its folder's path.", autocompletion=_board_names),
]
TargetName = Annotated[
    str,
    typer.Option(
        "--target",
        "-t",
        help="sim (simulated), native (this machine), renode, serial (a board).",
        autocompletion=_target_names,
    ),
]
DataFolder = Annotated[
    Path, typer.Option("--data", "-d", metavar="DIR", help="WIDER FACE in its official layout.", show_default=False)
]
JsonFile = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Write run.json here.", callback=outputs.file)
]
ReportFile = Annotated[
    Path | None, typer.Option("--report", metavar="FILE", help="Write report.html here.", callback=outputs.file)
]
FailuresFolder = Annotated[
    Path, typer.Option("--failures", metavar="DIR", help="Where bundles of failures go.", callback=outputs.folder)
]
RecordFile = Annotated[
    Path | None,
    typer.Option("--record", metavar="FILE", help="Record the link, for hil replay.", callback=outputs.file),
]
Generated = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="DIR", help="The generated directory; default build/MODEL/BOARD.", callback=outputs.folder
    ),
]
Elf = Annotated[Path | None, typer.Option(metavar="FILE", help="This firmware instead of the model's.")]
Kernels = Annotated[str, typer.Option(metavar="KIND", help="fast, or portable: plain C without DSP instructions.")]
Timing = Annotated[
    str | None,
    typer.Option(
        "--timing", metavar="MODE", help="Timing mode of the simulated board: fast, full (with flash caches) or both."
    ),
]
LimitsFile = Annotated[Path | None, typer.Option(metavar="FILE", help="TOML laid over the board's limits.")]
Toolchain = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|PATH",
        envvar="HIL_TOOLCHAIN",
        help="The compiler: gcc, clang, zig, clang-22, a path. Plain C kernels are 28 % faster by clang than by gcc.",
        show_default="arm-none-eabi-gcc on the PATH, else that of the extra 'toolchain'",
    ),
]
At = Annotated[
    str | None,
    typer.Option(
        metavar="PORT[,KEY=VALUE...]",
        envvar="HIL_AT",
        help="For --target serial: a port; NAME, label:NAME or all of hil-boards.toml; or labgrid:PLACE. "
        "Keys: usb, serial, chip, baud, probe, flash, reset, wait.",
    ),
]

Cluster = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS|local:N", help="Spread the work over a dask scheduler's workers, or N processes."),
]


def _insist(reference: str | None) -> str | None:
    from hil.reference import found

    if reference is not None:
        found.insist(str(Path(reference).absolute()) if found.is_file_reference(reference) else reference)
    return reference


NetworkOption = Annotated[
    str | None,
    typer.Option(
        "--network",
        metavar="FILE.py:FUNCTION",
        callback=_insist,
        help="Function that makes your own network, or an installed package's name for it. Checkpoints remember it.",
    ),
]


def network_name(name: str | None, network: str | None) -> str:
    """The network that a command is about, named in either way. Raises HilError where it is named in neither."""
    if name is None and network is None:
        raise HilError("name a network, or one of your own with --network FILE.py:FUNCTION")
    return name or str(network)
