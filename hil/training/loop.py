"""The training loop: resumable to the batch, with a moving average of the weights and a choice by held-out photos."""

import copy
import json
import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from hil.errors import HilError
from hil.files import make_folder, write_text, writing
from hil.reading import json_as
from hil.reference import weights
from hil.reference.catalogue import SPECS, Network, build
from hil.reference.fitting import problems
from hil.reference.networks import Detector
from hil.reference.rnnpool import RnnPool
from hil.training.batches import loader
from hil.training.device import Device
from hil.training.faces import face_losses
from hil.training.fake_quantise import keep_statistics, quantise_aware
from hil.training.grow import grow
from hil.training.lesson import Lesson, lesson_for
from hil.training.memory import keep_freed_memory
from hil.training.people import class_losses
from hil.training.plot import plot_history
from hil.training.recipe import Recipe, Schedule, load_recipe
from hil.training.structure import impose, loose
from hil.training.teacher import load_teacher, taught_losses

log = logging.getLogger(__name__)

SAVE_EVERY = 1600  # images: about a minute, the most that an interrupted training loses
IMAGE_LEVELS = 64.0  # about the standard deviation of a photo's grey levels


@dataclass
class Training:
    """Everything that a resumed training needs.

    device: where it runs; ranges: of the activations, where it learns to live with rounding; teacher: a trained network
    whose outputs it learns from beside the labels.
    """

    network: Network
    average: Network  # exponential moving average of the network, batch-norm statistics too
    optimiser: torch.optim.Optimizer
    recipe: Recipe
    schedule: Schedule
    seed: int
    images: int  # where the schedule ends if the time allows
    seen: int = 0
    seconds: float = 0.0
    best: float = -1.0
    history: list[dict[str, float]] = field(default_factory=list)
    device: Device = field(default_factory=Device)
    ranges: dict[str, float] | None = None
    teacher: Network | None = None

    def save(self, path: Path) -> None:
        """Write the state, all or nothing."""
        state = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "plain": json.dumps([asdict(self.recipe), asdict(self.schedule), self.seed, self.seen, self.seconds,
                                 self.best, self.history, self.images]),
        }  # fmt: skip
        with writing(path) as file:
            torch.save(state, file)

    def restore(self, path: Path) -> None:
        """Take up a state written by save. Raises HilError for another recipe or seed, or a damaged file."""
        try:
            state: dict[str, Any] = torch.load(path, weights_only=True, map_location=self.device.name)
            recipe, schedule, seed, *rest = json.loads(state["plain"])
            self.network.load_state_dict(state["network"])
            self.average.load_state_dict(state["average"])
            self.optimiser.load_state_dict(state["optimiser"])
        except Exception as error:  # torch raises half a dozen types for a file it cannot read
            raise HilError(f"cannot resume from {path} ({error}): train without --resume to start again") from error
        before = asdict(Recipe()) | recipe  # a constant that was not there yet had its default
        if _comparable(before) != _comparable(asdict(self.recipe)) or seed != self.seed:
            raise HilError(f"{path} was trained with another recipe or seed: train without --resume to start again")
        self.schedule = Schedule(**schedule)
        self.seen, self.seconds, self.best, self.history, self.images = rest


def _comparable(recipe: dict[str, Any]) -> str:
    """A recipe without its schedule's end, which may be moved."""
    return json.dumps(recipe | {"images": 0})


def begin(
    name: str,
    recipe: Recipe,
    seed: int,
    start: Path | None = None,
    device: Device | None = None,
    is_quantised: bool = False,
    teacher: Path | None = None,
) -> Training:
    """A training that has seen nothing yet, of fresh weights or those of the checkpoint start.

    is_quantised: it rounds as the firmware does, for which start must have calibrated ranges. Raises HilError for an
    unknown network and a start or a teacher that does not suit.
    """
    torch.manual_seed(seed)
    device = device or Device()
    network = build(name)
    groups = _parameter_groups(network, recipe)
    if start is not None:
        before = weights.load(start)
        if not problems({key: value.shape for key, value in network.state_dict().items()}, before.state_dict()):
            network.load_state_dict(before.state_dict())
        elif isinstance(network, Detector) and isinstance(before, Detector):
            _grow(network, before, start)
        else:
            raise HilError(f"{start} is a {before.spec.name}, whose tensors are not a {network.spec.name}'s")
    network.to(device.name, memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = copy.deepcopy(network)
    ranges = _ranges(start) if is_quantised else None
    if ranges is not None:
        for rounding in (network, average):
            quantise_aware(rounding, ranges)
    optimiser = torch.optim.AdamW(groups, recipe.peak_rate, recipe.betas, fused=True)
    schedule = Schedule(recipe.images)
    return Training(
        network, average, optimiser, recipe, schedule, seed, recipe.images, device=device, ranges=ranges,
        teacher=None if teacher is None else load_teacher(teacher, network.spec, device),
    )  # fmt: skip


def _grow(network: Detector, before: Detector, start: Path) -> None:
    try:
        grow(network, before)
    except HilError as error:
        raise HilError(f"{start} is {error}") from error


def _ranges(start: Path | None) -> dict[str, float]:
    """The calibrated ranges of a checkpoint. Raises HilError where there are none."""
    found = weights.metadata(start).get("ranges") if start is not None else None
    if found is None:
        raise HilError("rounding is learnt from a trained checkpoint with calibrated ranges: make one with "
                       "hil quantise and pass it as --start")  # fmt: skip
    return json_as(found, dict[str, float], f"{start}, ranges of its metadata")


def _parameter_groups(network: Network, recipe: Recipe) -> list[dict[str, Any]]:
    """Parameters with their decay. Where RNNPool reads an image of unscaled levels, its W learns in steps as small.

    It also starts that small: grey levels in the hundreds would drive every gate into saturation.
    """
    first = next(module for module in network.modules() if isinstance(module, RnnPool) or not list(module.children()))
    small: list[dict[str, Any]] = []
    if isinstance(first, RnnPool):
        factor = 1 / (IMAGE_LEVELS * network.spec.input_scale[0])
        with torch.no_grad():
            first.cell1.W.mul_(factor)
        small = [{"params": [first.cell1.W], "weight_decay": 0.0, "rate_factor": factor}]
    skipped = {id(parameter) for group in small for parameter in group["params"]}
    rest = [parameter for parameter in network.parameters() if id(parameter) not in skipped]
    decayed, others = [p for p in rest if p.dim() > 1], [p for p in rest if p.dim() <= 1]
    return [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}, *small]


def train(
    name: str,
    data: Path | Sequence[Path],
    out: Path,
    *,
    images: int | None = None,
    minutes: float | None = None,
    threads: int = 2,
    seed: int = 0,
    is_resumed: bool = False,
    cache: Path | None = None,
    start: Path | None = None,
    report_every: int = 8000,
    recipe: Recipe | None = None,
    device: Device | None = None,
    is_quantised: bool = False,
    teacher: Path | None = None,
) -> Path:
    """Train a network on DIR and return the chosen checkpoint, out/<name>.safetensors.

    data: WIDER FACE for a face detector (hil.training.faces), in several folders where there are; Visual Wake Words for
    a classifier (hil.training.people).

    images: where the schedule ends (the recipe's if None); a resumed training may move it. minutes: bring the end
    forward so that the training takes no longer. start: a checkpoint to begin with, for which the rate rises and
    falls again (a warm restart: Loshchilov and Hutter, SGDR, 2017). out also gets state.pt (for is_resumed),
    history.json, curve.png and <name>-last.safetensors, the average as it was last, for a next round to start with.
    device: the CPU unless one is given. is_quantised: fine-tune start with the firmware's rounding; the checkpoint
    then has start's ranges. teacher: a checkpoint whose outputs it learns from, too (hil.training.teacher).
    Raises HilError for unusable data, an unknown network, or a state of another recipe.
    """
    keep_freed_memory()
    torch.set_num_threads(threads)
    recipe = recipe or (load_recipe(name) if name in SPECS else Recipe())
    training = begin(name, recipe, seed, start, device, is_quantised, teacher)
    state = out / "state.pt"
    if is_resumed and state.is_file():
        training.restore(state)
    if images is not None:
        training.images = images
        training.schedule = training.schedule.retargeted(training.seen, images)
    folders = [data] if isinstance(data, Path) else list(data)
    lesson = lesson_for(training.network.spec, folders, recipe, seed, cache)
    make_folder(out)
    workers = max(1, threads - 1) if training.device.is_gpu else 1
    _run(training, lesson, out, minutes, report_every, workers)
    return out / f"{training.network.spec.name}.safetensors"


def _run(training: Training, lesson: Lesson, out: Path, minutes: float | None, report_every: int, workers: int) -> None:
    """Train to the schedule's end; save every SAVE_EVERY images and report every report_every."""
    started, seconds_before = time.monotonic(), training.seconds
    lap, lap_seen, reported = started, training.seen, training.seen
    losses: list[dict[str, float]] = []
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, refresh_per_second=1) as progress:
        task = progress.add_task("training", total=training.schedule.end, completed=training.seen)
        for batch in loader(lesson.batches, training.seen // training.recipe.batch, 1 << 40, workers):
            is_last = training.seen >= training.schedule.end
            if not is_last:
                losses.append(step(training, *batch))
                progress.update(task, completed=training.seen, total=training.schedule.end)
                is_last = training.seen >= training.schedule.end
            if training.seen - lap_seen < SAVE_EVERY and not is_last:
                continue
            now = time.monotonic()
            speed = (training.seen - lap_seen) / (now - lap)
            training.seconds = seconds_before + now - started
            if losses and (is_last or training.seen - reported >= report_every):
                means = {name: float(np.mean([each[name] for each in losses])) for name in losses[0]}
                report(training, lesson, means, speed, out)
                reported, losses = training.seen, []
            elif minutes is not None:
                training.schedule = _brought_forward(training, 60 * minutes - (now - started), speed)
            training.save(out / "state.pt")
            log.info("%d of %d images, %.1f a second", training.seen, training.schedule.end, speed)
            if is_last:
                break
            lap, lap_seen = time.monotonic(), training.seen


def _brought_forward(training: Training, seconds_left: float, speed: float) -> Schedule:
    """The schedule with its end where the time left ends, but no later than it was asked for.

    Some of the time goes into reports, and one lap's speed is not the next one's: the end moves half of the way.
    """
    reachable = training.seen + 0.96 * speed * max(seconds_left, 0.0)
    wanted = min(training.images, reachable)
    share = 0.5 if seconds_left > 600 else 1.0
    return training.schedule.retargeted(training.seen, round(training.schedule.end * (1 - share) + wanted * share))


def step(training: Training, inputs: Tensor, *targets: Tensor) -> dict[str, float]:
    """One optimiser step and the moving average's. Returns the losses by name; raises HilError for NaN."""
    recipe, network = training.recipe, training.network
    inputs, *targets = (part.to(training.device.name, non_blocking=True) for part in (inputs, *targets))  # type: ignore
    for group in training.optimiser.param_groups:
        group["lr"] = training.schedule.rate(training.seen, recipe) * group.get("rate_factor", 1.0)
    network.train()
    if training.ranges is not None or recipe.keeps_statistics:
        keep_statistics(network)
    with training.device.mixed():
        outputs = network(inputs)
    losses = losses_of(network, outputs, tuple(targets), recipe)
    if training.teacher is not None:
        losses |= taught_losses(training.teacher, inputs, outputs, recipe, training.device)
    training.optimiser.zero_grad(set_to_none=True)
    torch.stack(list(losses.values())).sum().backward()
    norm = torch.nn.utils.clip_grad_norm_(network.parameters(), recipe.clip_norm)
    if not norm.isfinite():
        raise HilError(f"the loss diverged after {training.seen} images: resume from the last state or lower the rate")
    before = loose(network, recipe)
    training.optimiser.step()
    impose(network, recipe, training.schedule.progress(training.seen), before)
    training.seen += recipe.batch  # a batch of fewer, larger views counts as one of the others
    update_average(training)
    return {name: loss.item() for name, loss in losses.items()}


def losses_of(network: Network, outputs: Any, targets: tuple[Tensor, ...], recipe: Recipe) -> dict[str, Tensor]:
    """The losses by name, in float32: a detector's or a classifier's."""
    return face_losses(outputs, targets, recipe) if isinstance(network, Detector) else class_losses(outputs, targets)


@torch.no_grad()
def update_average(training: Training) -> None:
    """Move the average towards the network; faster in the first steps, when the network is still far from anything."""
    recipe, steps = training.recipe, training.seen // training.recipe.batch
    decay = min(recipe.ema_decay, (1 + steps) / (10 + steps))
    for mean, value in zip(training.average.state_dict().values(), training.network.state_dict().values(), strict=True):
        if mean.is_floating_point():
            mean.lerp_(value, 1 - decay)
        else:
            mean.copy_(value)
    progress = training.schedule.progress(training.seen - recipe.batch)  # the network's, at this step
    impose(training.average, recipe, progress, loose(training.network, recipe))


def report(training: Training, lesson: Lesson, losses: dict[str, float], speed: float, out: Path) -> None:
    """Judge the average by the held-out photos, keep it if it is the best so far, and write the history."""
    found = lesson.judge(training.average)
    entry = {
        "images": training.seen,
        "seconds": round(training.seconds, 1),
        "images_per_second": round(speed, 2),
        "rate": training.schedule.rate(training.seen, training.recipe),
        **losses,
        **found,
    }
    training.history.append(entry)
    log.info("%s", " ".join(f"{key} {value:.4g}" for key, value in entry.items()) + f" end {training.schedule.end}")
    name = training.network.spec.name
    trained = {"images": str(training.seen), "seed": str(training.seed), "data": lesson.data_name}
    described = {"training": json.dumps(trained)}
    if training.ranges is not None:
        described["ranges"] = json.dumps(training.ranges)
    weights.save(training.average, out / f"{name}-last.safetensors", described)
    quality = float(np.mean(list(found.values())))
    if quality > training.best:
        training.best = quality
        weights.save(training.average, out / f"{name}.safetensors", described)
    write_text(out / "history.json", json.dumps(training.history, indent=1))
    plot_history(training.history, out / "curve.png")
