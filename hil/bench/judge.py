"""From what came back for an image to a run with measurements, limits and a verdict."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hil.bench.classify import Classification
from hil.bench.compare import Boxes, Divergence, differing_boxes, largest_distance, unmatched
from hil.bench.limits import Limits, Measurement, apply_limits
from hil.bench.run import Cycles, FirmwareFacts, ImageFacts, LinkCounts, Ram, Run
from hil.firmware.build import Firmware
from hil.link import Result
from hil.reference.detect import float_boxes
from hil.reference.photo import Photo
from hil.targets.base import Counter, Target

EMULATORS: dict[bytes, Counter] = {b"SIM": "timing-model", b"RENODE": "instructions"}  # how their chips' numbers begin


@dataclass(frozen=True)
class Findings:
    """An image, what the device made of it, and where that differs from the integer reference.

    differing: the layers whose digest does; divergence: the first value that does; reference: the reference's boxes;
    classes: of a classifier.
    """

    photo: Photo
    result: Result
    differing: list[str]
    divergence: Divergence | None
    reference: Boxes
    classes: Classification | None
    link: LinkCounts


def judge(found: Findings, firmware: Firmware, target: Target, limits: Limits, chip: str) -> Run:
    """The run that the findings make. chip: the number that it answered with (Hello.unique_id).

    Raises HilError for a limit that no measurement carries.
    """
    device = np.asarray(found.result.detections, np.float32).reshape(-1, 5)
    floating = float_boxes(firmware.network, found.photo.pixels)
    cycles, ram = _cycles(found.result, firmware, target, chip), _ram(found.result, firmware)
    differences = [
        Measurement("layers.differing", len(found.differing), "layer", 0),
        Measurement("boxes.differing", differing_boxes(device, found.reference), "box", 0),
        *_of_classes(found.classes),
    ]
    measurements = [
        *_of_device(cycles, ram, found.link, firmware, target),
        *differences,
        Measurement("boxes.unmatched_with_float", unmatched(device, floating) + unmatched(floating, device), "box"),
        Measurement("boxes.distance_to_float", largest_distance(device, floating), "1 - IoU"),
    ]
    return Run(
        target=target.name,
        board=firmware.board.name,
        model=firmware.model,
        firmware=FirmwareFacts(
            firmware.build_id,
            firmware.sizes.flash_bytes if firmware.sizes else None,
            str(firmware.compiler) if firmware.compiler else None,
        ),
        image=_image_facts(found.photo),
        detections=device,
        reference_detections=found.reference,
        float_detections=floating,
        bit_exact=all(m.value == 0 for m in differences if m.limit == 0),
        divergence=found.divergence,
        cycles=cycles,
        ram=ram,
        link=found.link,
        measurements=apply_limits(measurements, limits),
        classification=found.classes,
    )


def _cycles(result: Result, firmware: Firmware, target: Target, chip: str) -> Cycles:
    source, clock_hz = counter(target.capabilities.cycles, chip), firmware.board.clock_hz
    if source is None or result.layer_cycles is None:
        return Cycles(None, clock_hz, None, None, None)
    layers = dict(zip(firmware.layer_names, result.layer_cycles, strict=True))
    return Cycles(source, clock_hz, result.total_cycles, layers, result.decode_cycles, target.capabilities.timing)


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
    if sizes is None or stack is None or heap is None:
        return Ram(None, planned, used, None, None, None, None)
    total = sizes.static_bytes + stack + heap
    bound_bytes = bound.bytes if bound else None
    return Ram(sizes.static_bytes, planned, used, stack, bound_bytes, heap, total, sizes.static_by_memory)


def _of_device(cycles: Cycles, ram: Ram, link: LinkCounts, firmware: Firmware, target: Target) -> list[Measurement]:
    """What the device cost, with the limits that follow from the board and the plan."""
    observed, board = target.observed(), firmware.board
    seen = observed.stack_used if observed else None
    gap = abs(seen - ram.stack_used) if seen is not None and ram.stack_used is not None else None
    flash_bytes = firmware.sizes.flash_bytes if firmware.sizes else None
    return [
        *_of_time(cycles),
        Measurement("ram.total_bytes", ram.total_bytes, "byte"),
        Measurement("ram.static_bytes", ram.static_bytes, "byte"),
        Measurement("ram.arena_used", ram.arena_used, "byte", ram.arena_planned),
        Measurement("ram.stack_used", ram.stack_used, "byte", ram.stack_bound),
        Measurement("ram.stack_bound", ram.stack_bound, "byte", board.stack_bytes),
        Measurement("ram.heap_used", ram.heap_used, "byte"),
        Measurement("watermarks.disagreement", gap, "byte"),
        Measurement("firmware.flash_bytes", flash_bytes, "byte", board.flash.bytes),
        Measurement("link.retries", link.retries, "frame"),
    ]


def _of_time(cycles: Cycles) -> list[Measurement]:
    """Cycles; where the target's counter counts instructions, those under their own name, and cycles stay unknown."""
    if cycles.source == "instructions":
        instructions = Measurement("instructions.total", cycles.total, "instruction")
        return [Measurement("cycles.total", None, "cycle"), instructions]
    return [Measurement("cycles.total", cycles.total, "cycle")]


def _of_classes(classes: Classification | None) -> list[Measurement]:
    """The numbers that only a classifier's run has."""
    if classes is None:
        return []
    return [
        Measurement("logits.differing", classes.differing, "logit", 0),
        Measurement("logits.distance_to_float", classes.distance_to_float, "logit"),
        Measurement("class.differs_from_float", int(classes.predicted != classes.float_predicted), "image"),
    ]


def _image_facts(photo: Photo) -> ImageFacts:
    height, width, _ = photo.pixels.shape
    path = None if photo.path is None else str(photo.path)
    return ImageFacts(path, photo.sha256, width, height, photo.fitted)
