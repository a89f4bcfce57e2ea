"""From the device's answers for an image to a run with measurements, limits and a verdict."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hil.bench import float_path
from hil.bench.classify import Classification
from hil.bench.compare import Boxes, Divergence, differing_boxes, largest_distance, unmatched
from hil.bench.layer_path import layers_apart
from hil.bench.limits import Limit, Limits, Measurement, apply_limits, laid_over
from hil.bench.plausible import Seen, implausible, off_prediction
from hil.bench.run import Cycles, FirmwareFacts, ImageFacts, LinkCounts, Ram, Run
from hil.bench.tensors import TensorFound
from hil.compiler.integer import Trace
from hil.firmware.build import Firmware
from hil.link import Result
from hil.reference.networks import Detector
from hil.reference.photo import Photo
from hil.targets.base import Capabilities, Counter, Target

EMULATORS: dict[bytes, Counter] = {b"SIM": "timing-model", b"RENODE": "instructions"}  # how their chips' numbers begin
LEAST_STACK = 32  # bytes: no main loop runs on less
NO_NUMBER = 1e9
LEAST_DB = 10.0  # of signal to noise, of plain tensors: no more than a tenth of the energy is wrong
MOST_OFF_PREDICTION = 1.5  # times; predictions hold to 15 % a layer on the timing model, and for instructions to 1.35


@dataclass(frozen=True)
class Outside:
    """What the target saw while the image ran, without asking the firmware; None: it cannot.

    awake: cycles without sleep; stack_used: bytes; *_beyond: bytes by which the device's marks are off the memory.
    """

    awake: int | None = None
    stack_used: int | None = None
    stack_beyond: int | None = None
    heap_beyond: int | None = None
    arena_beyond: int | None = None


@dataclass(frozen=True)
class Findings:
    """An image, what the device made of it, and where that differs from the integer reference.

    differing: the tensors whose digest does; divergence: the first value that does; trace: the reference's tensors;
    reference: its boxes; classes: of a classifier; chip: the number that it answered with (Hello.unique_id); turn: of
    which layers are held against floating point (layers_apart).
    """

    photo: Photo
    result: Result
    differing: list[str]
    divergence: Divergence | None
    trace: Trace
    reference: Boxes
    classes: Classification | None
    link: LinkCounts
    outside: Outside
    chip: str
    tensors: tuple[TensorFound, ...] = ()
    turn: int | None = None


def judge(found: Findings, firmware: Firmware, target: Target, limits: Limits) -> Run:
    """The run that the findings make. Raises HilError for a limit that no measurement carries."""
    detector = firmware.graph.detector
    device = np.asarray(found.result.detections, np.float32).reshape(-1, detector.columns if detector else 5)
    cycles, ram = _cycles(found, firmware, target), _ram(found.result, firmware)
    layers = [name for name in found.differing if name in firmware.layer_names]
    floating, of_boxes = _of_boxes(found, firmware, device)
    differences = [
        Measurement("layers.differing", len(layers), "layer", 0),
        Measurement("states.differing", len(found.differing) - len(layers), "tensor", 0),
        Measurement("boxes.differing", differing_boxes(device, found.reference), "box", 0),
    ]
    exact_logits, of_classes = _of_classes(found.classes)
    measurements = [
        *_of_time(found, cycles, firmware, target.capabilities),
        *_of_memory(found, ram, firmware, target.capabilities),
        Measurement("link.retries", found.link.retries, "frame"),
        *differences,
        *exact_logits,
        *_of_layers(found, firmware),
        *of_boxes,
        *of_classes,
        *(Measurement(f"{t.name}.signal_to_noise", t.decibels, "dB") for t in found.tensors),
    ]
    return Run(
        target=target.name,
        board=firmware.board.name,
        model=firmware.model,
        firmware=_firmware_facts(firmware),
        image=_image_facts(found.photo),
        detections=device,
        reference_detections=found.reference,
        float_detections=floating,
        bit_exact=all(m.value == 0 for m in (*differences, *exact_logits)),
        divergence=found.divergence,
        cycles=cycles,
        ram=ram,
        link=found.link,
        measurements=apply_limits(measurements, _with_floors(found.tensors, limits)),
        classification=found.classes,
        operating_point=firmware.operating_point,
        classes=tuple(getattr(firmware.network.spec, "classes", ())) if detector else (),
        tensors=found.tensors,
        digests={n: f"{d:08x}" for n, d in zip(firmware.tensor_names, found.result.digests or [], strict=False)},
    )


def _with_floors(tensors: tuple[TensorFound, ...], limits: Limits) -> Limits:
    """The limits, and LEAST_DB for each plain tensor of which they say no other least."""
    floors = {f"{tensor.name}.signal_to_noise": Limit(None, least=LEAST_DB) for tensor in tensors}
    return laid_over(floors, limits)


def _cycles(found: Findings, firmware: Firmware, target: Target) -> Cycles:
    result, clock_hz = found.result, firmware.board.clock_hz
    source = counter(target.capabilities.cycles, found.chip)
    if source is None or result.layer_cycles is None:
        return Cycles(None, clock_hz, None, None, None)
    layers = dict(zip(firmware.layer_names, result.layer_cycles, strict=True))
    mode = target.capabilities.timing
    return Cycles(
        source, clock_hz, result.total_cycles, layers, result.decode_cycles, mode, None, result.schedule_cycles
    )


def counter(of_target: Counter, chip: str) -> Counter:
    """What the device's counter counts. Behind a serial port there can be an emulated chip, whose number says so."""
    if of_target != "dwt":
        return of_target
    return next((counter for text, counter in EMULATORS.items() if bytes.fromhex(chip).startswith(text)), "dwt")


def _ram(result: Result, firmware: Firmware) -> Ram:
    """Memory in the device's own figures; a host build's variables and stack say nothing about the device's."""
    planned, used = firmware.plan["arena_bytes"], result.arena_used
    sizes, bound = firmware.sizes, firmware.stack_bound
    stack, heap = result.stack_used, result.heap_used
    buffers = {buffer["name"]: buffer["bytes"] for buffer in firmware.plan["buffers"]}
    if sizes is None or stack is None or heap is None:
        return Ram(None, planned, used, None, None, None, None, buffers=buffers)
    total = sizes.static_bytes + stack + heap
    bound_bytes = bound.bytes if bound else None
    return Ram(sizes.static_bytes, planned, used, stack, bound_bytes, heap, total, sizes.static_by_memory, buffers)


def _of_time(found: Findings, cycles: Cycles, firmware: Firmware, can: Capabilities) -> list[Measurement]:
    """Cycles; where the target's counter counts instructions, those under their own name, and cycles stay unknown."""
    counts, is_instructions = can.cycles is not None, "instructions" in (can.cycles, cycles.source)
    macs = {layer.name: getattr(layer, "least_macs", layer.macs) for layer in firmware.graph.layers}
    is_predicted, decodes = firmware.kernels == "fast", firmware.graph.detector is not None
    of_layers = predictions(firmware.plan, is_instructions)
    predicted, of_these = sum(of_layers.values()), of_layers if is_predicted else None
    digested = sum(tensor.nbytes for tensor in found.trace.values())
    seen = Seen.of(found.outside.awake, found.link, digested) if is_predicted else None
    faults = None
    if cycles.total is not None:
        faults = implausible(cycles, found.result.counter, macs, seen, of_these, decodes, firmware.graph.input.height)
        if can.sees_time and found.outside.awake is None:
            faults.append("the target did not say how long its core was awake")
    off = off_prediction(cycles, predicted) if is_predicted else None
    why, why_off = "; ".join(faults or ()), f"{cycles.total} {cycles.unit}, {predicted} cycles were predicted"
    total = None if is_instructions else cycles.total
    measured = [
        Measurement("cycles.total", total, "cycle", is_expected=counts and not is_instructions),
        Measurement("cycles.implausible", _count(faults), "figure", 0, is_expected=counts, cause=why or None),
        Measurement("cycles.off_prediction", off, "times", MOST_OFF_PREDICTION, is_expected=counts and is_predicted,
                    cause=why_off),
    ]  # fmt: skip
    if is_instructions:
        measured.append(Measurement("instructions.total", cycles.total, "instruction", is_expected=True))
    return measured


def predictions(plan: dict[str, Any], of_instructions: bool) -> dict[str, int]:
    """What a plan predicts of each layer: cycles, or, of a target that waits for no memory, those without the waits."""
    waits = {layer["name"]: layer.get("waiting_cycles", 0) for layer in plan["layers"] if of_instructions}
    return {layer["name"]: layer["predicted_cycles"] - waits.get(layer["name"], 0) for layer in plan["layers"]}


def _count(items: list[str] | None) -> int | None:
    return None if items is None else len(items)


def _of_memory(found: Findings, ram: Ram, firmware: Firmware, can: Capabilities) -> list[Measurement]:
    """What the firmware takes, and whether its own account of that is true."""
    outside, board = found.outside, firmware.board
    gap = None
    if outside.stack_used is not None and ram.stack_used is not None:
        gap = abs(outside.stack_used - ram.stack_used)
    knows, reads = can.measures_memory, can.reads_memory
    bound, is_bound = ram.stack_bound, knows and firmware.has_bound
    return [
        Measurement("ram.total_bytes", ram.total_bytes, "byte", firmware.ram_budget, is_expected=knows),
        Measurement("ram.static_bytes", ram.static_bytes, "byte", is_expected=knows),
        Measurement("ram.arena_used", ram.arena_used, "byte", ram.arena_planned, ram.arena_planned // 2,
                    is_expected=True),
        Measurement("ram.stack_used", ram.stack_used, "byte", bound, LEAST_STACK, is_expected=knows),
        Measurement("ram.stack_bound", bound, "byte", firmware.stack_room, is_expected=is_bound),
        Measurement("ram.heap_used", ram.heap_used, "byte", firmware.heap_bytes, is_expected=knows),
        Measurement("watermarks.disagreement", gap, "byte", is_expected=can.sees_stack),
        Measurement("watermarks.stack_beyond", outside.stack_beyond, "byte", 0, is_expected=reads),
        Measurement("watermarks.heap_beyond", outside.heap_beyond, "byte", 0, is_expected=reads),
        Measurement("watermarks.arena_beyond", outside.arena_beyond, "byte", 0, is_expected=reads),
        Measurement("firmware.flash_bytes", firmware.sizes.flash_bytes if firmware.sizes else None, "byte",
                    board.flash.bytes, is_expected=knows),
    ]  # fmt: skip


def _of_layers(found: Findings, firmware: Firmware) -> list[Measurement]:
    """The layers that are furthest from floating point, each by itself, and whose range cuts off most."""
    apart = layers_apart(firmware.network, firmware.graph, found.trace, found.photo.pixels, found.turn)
    distances, cuts = (
        {name: _number(getattr(one, field)) for name, one in apart.items()} for field in ("distance", "cut")
    )
    worst, cut = max(distances, key=distances.__getitem__), max(cuts, key=cuts.__getitem__)
    cause = f"{worst} makes something else of what it gets than the float model's layer, on both sides"
    why_cut = f"{cut} goes beyond the range that it was calibrated to"
    return [
        Measurement("layers.distance_to_float", distances[worst], "step", cause=cause),
        Measurement("layers.cut_off", cuts[cut], "of the energy", cause=why_cut),
    ]


def _number(value: float) -> float:
    """What is no number is more than any limit, and can be written into run.json."""
    return value if math.isfinite(value) else NO_NUMBER


def _of_boxes(found: Findings, firmware: Firmware, device: Boxes) -> tuple[Boxes, list[Measurement]]:
    """The float model's boxes, and how far the device is from them; a classifier has none.

    Distances are those under plain suppression: with weights, a rounding by which another of two boxes suppresses a
    third moves both by more than itself. That the device's boxes are by the network's rules is `decoder.differing`'s.
    """
    network, detector = firmware.network, firmware.graph.detector
    if not isinstance(network, Detector) or detector is None:
        return np.zeros((0, 5), np.float32), []
    heads = [
        float_path.Head(found.trace[s.loc], s.loc_channel, found.trace[s.conf], s.conf_channel)
        for s in detector.sources
    ]
    outputs = float_path.device_outputs(heads, network.spec)
    floating = float_path.float_outputs(network, found.photo.pixels)
    plain, read = replace(network.spec, weighted_nms=False), float_path.as_candidates(outputs)
    kept, expected = (float_path.decoded(made, plain, as_device=True) for made in (read, floating))
    every_kept = float_path.decoded(floating, plain)
    twins = float_path.differing(device, outputs, network.spec)
    offset_error = float_path.offset_error(outputs, floating, network.spec.score_threshold)
    sides = (
        (kept, float_path.candidates(floating, plain)),
        (every_kept, float_path.candidates(read, plain)),
    )
    distances = [d for d in (largest_distance(*side) for side in sides) if d is not None]
    return float_path.decoded(floating, network.spec), [
        Measurement(
            "decoder.differing", twins, "box", cause="boxes of the device's outputs by the network's own rules"
        ),
        Measurement("outputs.offset_error", offset_error, "prior / variance"),
        Measurement("outputs.score_error", float_path.score_error(outputs, floating), "logit"),
        Measurement("boxes.count_distance_to_float", float_path.count_distance(kept, expected), "deviation"),
        Measurement("boxes.unmatched_with_float", sum(unmatched(*side) for side in sides), "box"),
        Measurement("boxes.score_distance_to_float", float_path.score_distance(kept, every_kept), "score"),
        Measurement("boxes.distance_to_float", max(distances, default=None), "1 - IoU"),
    ]


def _of_classes(classes: Classification | None) -> tuple[list[Measurement], list[Measurement]]:
    """The numbers that only a classifier's run has: against the integer reference, and against the float model."""
    if classes is None:
        return [], []
    return [Measurement("logits.differing", classes.differing, "logit", 0)], [
        Measurement("logits.distance_to_float", _number(classes.distance_to_float), "logit"),
        Measurement("class.differs_from_float", int(classes.differs), "image",
                    cause=f"the device says {classes.predicted}, the float model {classes.float_predicted}"),
    ]  # fmt: skip


def _firmware_facts(firmware: Firmware) -> FirmwareFacts:
    flash = firmware.sizes.flash_bytes if firmware.sizes else None
    compiler = str(firmware.compiler) if firmware.compiler else None
    facts = FirmwareFacts(firmware.build_id, flash, compiler, firmware.elf_hash, firmware.changed)
    parts = firmware.flash_parts
    if parts is None:
        return facts
    return replace(facts, flash_by_section=parts.sections, flash_by_function=parts.functions)


def _image_facts(photo: Photo) -> ImageFacts:
    height, width, _ = photo.pixels.shape
    path = None if photo.path is None else str(photo.path)
    return ImageFacts(path, photo.sha256, width, height, photo.fitted)
