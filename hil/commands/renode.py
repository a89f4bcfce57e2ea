"""`hil renode`: Renode brought to this machine, and its monitor at a board that runs a model's firmware."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hil.commands.console import Step, console, errors, paragraph, progress, shortest
from hil.commands.options import DEFAULT_BOARD, DEFAULT_MODEL, BoardName, Elf, Model, ModelOrDefault
from hil.errors import HilError
from hil.paths import BUILD

app = typer.Typer(help="Renode, the emulator behind --target renode.", no_args_is_help=True)


@app.command()
def install(
    from_: Annotated[
        Path | None,
        typer.Option("--from", metavar="ARCHIVE", help="Install this archive of a release, instead of a download."),
    ] = None,
    sha256: Annotated[
        str | None, typer.Option(metavar="HEX", help="Checksum of an archive that is not the supported release.")
    ] = None,
    pyrenode3: Annotated[
        str | None, typer.Option(metavar="PATH", help="pyrenode3's wheel or sources, if pip has no network.")
    ] = None,
) -> None:
    """Install Renode and pyrenode3 where the bench finds them, and boot the demo's firmware on Renode."""
    import tempfile

    from hil.targets.pyrenode import check, find, release
    from hil.targets.pyrenode import install as installation

    def meant() -> str:
        return sha256 or release.archive().sha256

    with progress() as step:
        if from_ is not None:  # first: one that is refused changes nothing
            installation.unpack(from_, meant(), release.home(), step)
        step("installing pyrenode3", 0)
        installation.install_pyrenode3(pyrenode3 or release.PYRENODE3)
        works = None if from_ is not None or sha256 is not None else _check_what_is_here(step)
        if works is None and from_ is None:
            with tempfile.TemporaryDirectory(prefix="hil-renode-") as folder:
                archive = installation.download(release.archive(), Path(folder), step)
                installation.unpack(archive, meant(), release.home(), step)
        if works is None:
            step("starting Renode", 0)
            works = check.check()
        step("booting the demo's firmware", 0)
        booted = _boot_demo()
    console.print(f"Renode {works}", soft_wrap=True, highlight=False)
    console.print(paragraph(booted), soft_wrap=True, highlight=False)
    used = find.find().path
    if used is not None and not used.is_relative_to(release.home()):
        said = f"PYRENODE_* names another Renode, {used}: unset it for {release.home()}"
        console.print(said, soft_wrap=True, highlight=False)


@app.command()
def shell(model: ModelOrDefault = DEFAULT_MODEL, board: BoardName = DEFAULT_BOARD, elf: Elf = None) -> None:
    """Open Renode's monitor at a board that has booted a model's firmware; `run SECONDS` lets time pass."""
    import sys

    from hil import board as boards
    from hil.firmware.build import build
    from hil.targets.base import TargetFault
    from hil.targets.pyrenode.shell import Shell
    from hil.targets.renode import RenodeTarget

    with RenodeTarget(boards.load(board)) as target:
        target.boot(elf or build(model, board).elf)
        lines = Shell(target)
        errors.print(paragraph(lines.greeting), soft_wrap=True, highlight=False)
        while True:
            if sys.stdin.isatty():
                errors.print("(renode) ", end="", highlight=False)
            line = sys.stdin.readline()
            if not line or line.strip() in ("quit", "exit"):
                return
            try:
                said = lines.obey(line.strip()) if line.strip() else ""
                console.print(paragraph(said), end="\n" if said else "", soft_wrap=True, highlight=False, markup=False)
            except TargetFault:
                raise
            except HilError as error:
                errors.print(str(error), soft_wrap=True, highlight=False, markup=False)


@app.command()
def camera(
    model: Model,
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE", help="Photos for the camera.", show_default=False)],
    board: BoardName = DEFAULT_BOARD,
    fit: Annotated[bool, typer.Option("--fit", help="Letterbox and convert any photo to the network's input.")] = False,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder for both firmwares and Renode's script.")
    ] = BUILD / "camera",
    patience: Annotated[float, typer.Option(metavar="SECONDS", help="Virtual time for all photos, in seconds.")] = 60.0,
) -> None:
    """Run two boards in one emulation: a camera that plays photos from its flash, and the detector that they go to."""
    from hil import board as boards
    from hil.bench import two_boards
    from hil.firmware.build import build
    from hil.firmware.model import model_spec
    from hil.reference.photo import load_photo
    from hil.targets.pyrenode.find import find

    find()
    spec = model_spec(model)
    photos = [load_photo(path, spec, fit).pixels for path in images]
    with progress() as step:
        step("building two firmwares", 0)
        script = two_boards.write_project(boards.load(board), build(model, board).elf, photos, out)
        step("running two boards", 0)
        played = two_boards.play(out, len(photos), patience)
    for path, found in zip(images, played.detections, strict=True):
        boxes = "; ".join(f"{score:.3f} at {x0:.0f}, {y0:.0f}, {x1:.0f}, {y1:.0f}" for x0, y0, x1, y1, score in found)
        console.print(f"{path.name}: {boxes or 'nothing'}", soft_wrap=True, highlight=False, markup=False)
    said = (
        f"{played.seconds:.1f} s of virtual time, {played.repeated} requests repeated; again: renode {shortest(script)}"
    )
    console.print(paragraph(said), soft_wrap=True, highlight=False, markup=False)


def _check_what_is_here(step: Step) -> str | None:
    """What the Renode is that an earlier installation left; None where there is none or it does not work."""
    from hil.targets.pyrenode import check, release

    if not release.home().exists():
        return None
    step("starting the Renode that is here", 0)
    try:
        return check.check()
    except HilError:
        return None


def _boot_demo() -> str:
    """What the demo's firmware says; without a compiler for the board, which command brings it."""
    from hil import board, targets
    from hil.bench.session import Bench
    from hil.firmware.build import build
    from hil.firmware.programs import MissingToolError

    try:
        firmware = build(DEFAULT_MODEL, DEFAULT_BOARD)
    except MissingToolError as gap:
        return f"the demo's firmware was not booted: {gap}"
    with Bench(firmware, targets.create("renode", board.load(DEFAULT_BOARD))) as bench:
        assert bench.hello is not None, "entering says hello"
        return f"{bench.hello.model_name} runs on {bench.hello.board}: hil run {DEFAULT_MODEL} PHOTO --target renode"
