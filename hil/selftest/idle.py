"""Numbers of the generated model that decide nothing where they stand: nothing could notice another one."""

from __future__ import annotations

import re

from hil.compiler.quantised import graph as q
from hil.selftest.subjects import Subject


def is_idle(operator: str, lines: list[str], number: int) -> bool:
    """Whether the number decides nothing, as where rows lie of a ring of one, or what the only turn of a row keeps."""
    line, above = lines[number], lines[max(0, number - 6) : number]
    ring = "\n".join(lines[max(0, number - 6) : number + 6])
    match operator:
        case "plan-pitch":
            return ".depth = 1," in ring
        case "plan-height":
            return ".lead = 0," in ring or _is_of_pieces(lines, number)
        case "anchor-channels":  # from cell to cell, where there is one
            return any(".height = 1, .width = 1," in text for text in above[-2:])
        case "plan-rows":  # read of what a node of the schedule makes
            names = re.findall(r"ring_t (\w+) = ", "\n".join(above))
            return not any(f".output = &{name}," in text for name in names[-1:] for text in lines)
        case "plan-from" | "plan-keep" | "plan-ends" | "plan-carry":
            alone = not any("{.pixels" in other for other in above[-1:] + lines[number + 1 : number + 2])
            return alone or _is_of_handed_pixels(operator, lines, number)
        case "plan-reader":  # what the last node's only step wakes has nothing left to do
            return ".steps = 1," in line and not any(".last_reader = " in text for text in lines[number + 1 :])
        case "plan-reach" | "plan-stride":
            return _waits_for_all(line)
        case "plan-pixel-bytes":  # read of what a layer hands on inside a chain
            begins = next((i for i, text in enumerate(reversed(above)) if "{.part" in text), 0)
            return not any(".piece = " in text for text in above[len(above) - 1 - begins :])
    return False


def _is_of_pieces(lines: list[str], number: int) -> bool:
    """Whether a ring's last row is read of a piece: it is the input of a chain's layer that takes every second row."""
    name = next((m[1] for line in lines[number::-1] if (m := re.search(r"ring_t (\w+) = ", line))), "")
    readers = [i for i, line in enumerate(lines) if f".input = &{name}," in line]
    return any(".stride = 2" in text for i in readers for text in lines[i : i + 3])


def _is_of_handed_pixels(operator: str, lines: list[str], number: int) -> bool:
    """Whether a turn is of a layer inside a chain that looks at single pixels, which it is handed: it keeps no rows.

    Of a map that it adds, which lies elsewhere, it reads from where the turn says.
    """
    name = next((m[1] for line in lines[number::-1] if (m := re.search(r"turn_t (\w+)\[\] = ", line))), "")
    at = next((i for i, line in enumerate(lines) if f".turns = {name}," in line), 0)
    is_first = "chain_layer_t" in lines[at - 1]
    entry = "\n".join(lines[at : at + 6]).partition("},")[0]
    return not is_first and ".kernel = 1," in entry and (operator != "plan-from" or ".other" not in entry)


def _waits_for_all(line: str) -> bool:
    """Whether a step waits for all of a map, which is for the memory's sake."""
    found = re.search(r"\.reach = (\d+), \.rows = \1\b", line)
    return found is not None and int(found[1]) > 1


def waits(line: str, above: str) -> list[int]:
    """Rows that each step waits for, of a node's line of feeds and the one above it.

    Of two maps only the later one counts: it is made of the other one, as a residual's.
    """
    steps = re.search(r"\.steps = (\d+)", above)
    feeds = [
        {name: int(value) for name, value in re.findall(r"\.(\w+) = (-?\d+)", text)}
        for text in re.findall(r"\{(\.producer[^}]*)\}", line)
    ]
    latest = [feed for feed in feeds if feed["producer"] == max(feed["producer"] for feed in feeds)]
    return [
        max(min((s >> f.get("halvings", 0)) * f["stride"] + f["reach"], f["rows"]) for f in latest)
        for s in range(int(steps[1]) if steps else 0)
    ]


def is_idle_in(subject: Subject, operator: str, lines: list[str], number: int) -> bool:
    """Whether a layer's number decides nothing in this network."""
    name = next((m[1] for line in lines[number::-1] if (m := re.match(r"static \w+ (\w+)_(?:part|step)\(", line))), "")
    made = {layer.output.name: layer for layer in subject.graph.layers}
    layer = next((layer for layer in subject.graph.layers if layer.name == name), None)
    match operator:
        case "layer-type":  # bytes with their sign or without, of a norm of values that are not negative
            inputs = [made.get(tensor.name) for tensor in layer.inputs] if layer else []
            return any(isinstance(norm, q.QNorm) and norm.inputs[0].dtype == "uint8" for norm in inputs)
        case "layer-stride":  # from pixel to pixel, where there is one
            return layer is not None and layer.output.width == 1
        case "plan-input":  # what is missing is made of the row before it, in its place
            producers = [subject.graph.input.name, *(node.output.name for node in subject.plan.nodes if node.output)]
            repeated = {node.output.name for node in subject.plan.nodes if node.output and node.copies_last}
            found = re.search(r"\.producer = (\d+)", lines[number])
            name = producers[int(found[1])] if found else ""
            return name in repeated and subject.plan.depth[name] == 1
        case "layer-kernel":  # of which a map of one pixel sees the centre alone
            return isinstance(layer, q.QConv) and layer.is_depthwise and layer.input.height == layer.input.width == 1
    return False
