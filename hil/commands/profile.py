"""`hil profile`: where an inference's cycles go."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hil.commands import outputs
from hil.commands.console import console, errors, paragraph, shortest
from hil.commands.options import NetworkOption, Toolchain
from hil.errors import HilError
from hil.paths import BUILD

if TYPE_CHECKING:
    from rich.table import Table

    from hil.measure.counts import Counts
    from hil.measure.profile import ImageProfile


def profile(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model's name or checkpoint.", show_default=False)],
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="A photo.", show_default=False)],
    board: Annotated[
        str, typer.Option("--board", "-b", help="A board's name, or its folder's path.")
    ] = "stm32f407_disco",
    target: Annotated[
        str, typer.Option("--target", "-t", help="sim: cycles of all kinds; renode: calls and instructions a function.")
    ] = "sim",
    timing: Annotated[str, typer.Option(metavar="MODE", help="fast, or full (with flash caches).")] = "fast",
    fit: Annotated[bool, typer.Option("--fit", help="Letterbox and convert any photo to the network's input.")] = False,
    blocks: Annotated[int, typer.Option(min=1, help="Number of the hottest blocks to annotate.")] = 12,
    top: Annotated[int, typer.Option(min=1, help="Rows of the tables of functions and lines.")] = 12,
    toolchain: Toolchain = None,
    elf: Annotated[Path | None, typer.Option(metavar="FILE", help="Run this firmware instead of building one.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for what it writes; default build/profile/MODEL.", callback=outputs.folder),
    ] = None,
    network: NetworkOption = None,
) -> None:
    """Show where an inference's cycles go: layers, functions, lines, a flame graph, annotated disassembly."""
    from hil.bench.batch import Job, firmware_for
    from hil.files import write_text
    from hil.firmware.model import model_spec
    from hil.measure.counts import count_image
    from hil.measure.profile import profile_image
    from hil.reference.photo import load_photo
    from hil.targets.connection import options

    if target not in ("sim", "renode"):
        raise HilError(f"target {target!r} cannot be profiled: use --target sim or renode")
    options("sim", None, timing)
    spec = model_spec(model)
    photo = load_photo(image, spec, fit)
    errors.print(f"building {spec.name} for {board} ...", highlight=False)
    firmware = firmware_for(Job(model, (image,), target, board, elf=elf, toolchain=toolchain))
    folder = out or BUILD / "profile" / Path(model).stem
    if target == "renode":
        import json

        counted = count_image(firmware, photo)
        write_text(folder / "profile.json", json.dumps(counted.to_json(), indent=1) + "\n")
        console.print(_counts(counted, top))
        console.print(f"{shortest(folder)}/profile.json: all functions", soft_wrap=True, highlight=False)
        return
    found = profile_image(firmware, photo, timing)
    _write(found, folder, blocks)
    _show(found, top)
    shown = shortest(folder)
    console.print(
        paragraph(
            f"{shown}/hot.txt: the {blocks} hottest blocks, each instruction's cost, the rule behind every stall\n"
            f"{shown}/flamegraph.svg, stacks.txt (for any flame graph tool), profile.json"
        ),
        soft_wrap=True, highlight=False,
    )  # fmt: skip


def _counts(counted: Counts, top: int) -> Table:
    """Functions by the instructions that they take themselves."""
    from rich.table import Table

    from hil.report.terminal import figure

    title = f"{counted.instructions:,} instructions (Renode counts no cycles)"
    table = Table("function (itself)", title=title, title_justify="left")
    for name in ("calls", "instructions", "share"):
        table.add_column(name, justify="right")
    for name, count in counted.most()[:top]:
        share = f"{100 * count.instructions / counted.instructions:.1f} %"
        table.add_row(name, figure(count.calls), figure(count.instructions), share)
    return table


def _write(found: ImageProfile, folder: Path, blocks: int) -> None:
    import json

    from hil.files import make_folder, write_text
    from hil.report.flamegraph import collapsed, flame_graph

    make_folder(folder)
    firmware = found.firmware
    what = f"{firmware.network_name} on {firmware.board.title}"
    title = f"{what}: {found.profile.cycles:,} cycles (timing model, {found.mode})"
    write_text(folder / "hot.txt", found.annotated(blocks))
    write_text(folder / "stacks.txt", collapsed(found.stacks))
    write_text(folder / "flamegraph.svg", flame_graph(found.stacks, title.replace(",", " ")))
    write_text(folder / "profile.json", json.dumps(found.to_json(), indent=1) + "\n")


def _show(found: ImageProfile, top: int) -> None:
    from rich.table import Table

    from hil.measure.profile import hottest_first
    from hil.report.terminal import figure

    total = found.profile.cycles
    if not total:
        raise HilError("the profile is empty: the firmware ran no code")
    table = Table("layer", title=f"Cycles (timing-model, {found.mode})", title_justify="left")
    for name in ("profiled", "share", "by CYCCNT"):
        table.add_column(name, justify="right")
    for name, cycles in found.layers.items():
        measured = found.measured.get(name)
        table.add_row(
            name, figure(cycles), f"{100 * cycles / total:.1f} %", "" if measured is None else figure(measured)
        )
    table.add_section()
    table.add_row("total", figure(total), "", figure(found.measured["total"]) + " without link")
    console.print(table)
    for title, counts in (("function (itself)", found.functions), ("source line", found.lines)):
        console.print(_ranking(title, hottest_first(counts, top), total))
    console.print(_rules(found.rules, total))


def _ranking(title: str, rows: object, total: int) -> Table:
    from rich.table import Table

    from hil.report.terminal import figure

    table = Table(title, title_justify="left")
    table.add_column("cycles", justify="right")
    table.add_column("share", justify="right")
    for name, cycles in rows:  # type: ignore[attr-defined]
        table.add_row(name, figure(cycles), f"{100 * cycles / total:.1f} %")
    return table


def _rules(rules: Counter[str], total: int) -> Table:
    from rich.table import Table

    from hil.report.terminal import figure

    table = Table("rule", title="Cycles beyond one an instruction", title_justify="left")
    table.add_column("cycles", justify="right")
    table.add_column("share", justify="right")
    for name, cycles in rules.most_common():
        table.add_row(name, figure(cycles), f"{100 * cycles / total:.1f} %")
    return table
