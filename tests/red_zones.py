"""A network's firmware for this computer with every buffer of its arena between zones that nobody may touch.

The plan's buffers share memory where they are never alive together. Here each gets a place of its own, with a poisoned
zone on either side, and is poisoned itself outside the moments from its first to its last in the plan. So a kernel that
reads a row too far, or a buffer after its end, is stopped by AddressSanitizer at the very load.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path

from hil.board import Board
from hil.compiler import QuantisedGraph, emit, make_plan
from hil.compiler.planning.plan import Plan
from hil.compiler.planning.schedule import moments_of
from hil.firmware.cmake import NATIVE, compile_preset, output_folder

ZONE = 4096  # bytes; the longest row of the networks tested is shorter
FLAGS = "-fsanitize=address,undefined -fno-sanitize-recover=all"


def spread(plan: Plan) -> Plan:
    """The plan with no two buffers in one place."""
    buffers, ends = [], {place: ZONE for place, size in plan.arenas.items() if size}
    for buffer in plan.buffers:
        buffers.append(replace(buffer, offset=ends[buffer.place]))
        ends[buffer.place] += -(-buffer.bytes // 8) * 8 + ZONE
    return replace(plan, buffers=tuple(buffers), arenas=ends)


def zones(plan: Plan) -> str:
    """C that poisons what must not be touched, moment by moment."""
    rows = "".join(
        f"    {{arena_{b.place} + {b.offset}, {b.bytes}, {b.first}, {b.last}}},  // {b.name}\n" for b in plan.buffers
    )
    moments = ", ".join(str(moments_of(node)) for node in plan.nodes)
    arenas = "".join(f"    mark(arena_{place}, sizeof arena_{place}, is_open);\n" for place in plan.arenas)
    return f"""
#include <sanitizer/asan_interface.h>

static const struct {{ uint8_t *at; uint32_t bytes, first, last; }} buffers[] = {{
{rows}}};
static const uint8_t moments[] = {{{moments}}};
static uint32_t moment;

static void mark(const uint8_t *at, uint32_t bytes, bool is_open)
{{
    if (is_open)
        ASAN_UNPOISON_MEMORY_REGION(at, bytes);
    else
        ASAN_POISON_MEMORY_REGION(at, bytes);
}}

static void mark_all(bool is_open)
{{
{arenas}}}

static void pass(uint32_t count)
{{
    for (uint32_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        mark(buffers[i].at, buffers[i].bytes, buffers[i].first < moment + count && buffers[i].last >= moment);
    moment += count;
}}

static bool is_open;  // for the next row of the image, which may come in parts

static void open_row(void)
{{
    if (!is_open)
        pass(1);
    is_open = true;
}}

void red_zones_step(uint32_t number);

void red_zones_step(uint32_t number)
{{
    pass(moments[number]);
}}
"""


def build(graph: QuantisedGraph, board: Board, folder: Path, changes: dict[str, tuple[str, str]] | None = None) -> Path:
    """The program. changes: of kernels by name, a text and what takes its place, to plant a defect."""
    plan = spread(make_plan(graph, board))
    source = folder / "generated"
    emit(graph, plan, board, source)
    model = source / "model" / "model.c"
    text = model.read_text()
    text = _once(text, "static void paint_arenas(void)", zones(plan) + "\nstatic void paint_arenas(void)")
    text = _once(
        text,
        "    paint_arenas();\n",
        "    mark_all(true);\n    paint_arenas();\n    mark_all(false);\n    moment = 0;\n    is_open = false;\n",
    )
    text = _once(text, "uint8_t *model_row(void)\n{\n", "uint8_t *model_row(void)\n{\n    open_row();\n")
    text = _once(
        text, "    ring_pad_row(&image_ring, place);\n", "    ring_pad_row(&image_ring, place);\n    is_open = false;\n"
    )
    body = text.index("uint32_t model_finish(")
    end = re.sub(r"(    return (?:count|0);\n\})", r"    mark_all(true);\n\1", text[body:])
    model.write_text(text[:body] + _once(end, "{\n", "{\n    pass(1);\n"))
    kernels = next(source.rglob("schedule.c")).parent
    schedule = kernels / "schedule.c"
    hook = "static bool run_step(const node_t *node, uint32_t number, const progress_t *progress)\n{\n"
    declared = "void red_zones_step(uint32_t number);\n\n" + hook + "    red_zones_step(number);\n"
    schedule.write_text(_once(schedule.read_text(), hook, declared))
    for name, (old, new) in (changes or {}).items():
        path = kernels / name
        path.write_text(_once(path.read_text(), old, new))
    (folder / "cmake").mkdir()
    known = {name: os.environ.get(name) for name in ("CFLAGS", "LDFLAGS")}
    os.environ |= {"CFLAGS": FLAGS, "LDFLAGS": FLAGS}
    try:
        compile_preset(source, NATIVE, json.loads((source / "model" / "plan.json").read_text()), folder / "cmake")
    finally:
        for name, value in known.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
    return output_folder(source, NATIVE, "fast") / "firmware"


def _once(text: str, old: str, new: str) -> str:
    assert old in text, f"the sources have no {old!r} any more"
    return text.replace(old, new, 1)
