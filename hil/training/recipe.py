"""Every constant of a training. recipes/<network>.toml says where a network's differ from the defaults here.

Notes on why: the model card beside the shipped checkpoint.
"""

import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from hil.errors import HilError
from hil.reading import read_text, toml_of

RECIPES = Path(__file__).parent / "recipes"


@dataclass(frozen=True)
class Recipe:
    """How a network is trained. Rates are per image or step as named; sizes are pixels of the network's input."""

    images: int = 240_000  # images seen until the schedule ends, about 65 times the 3,600 there are
    batch: int = 16

    peak_rate: float = 4e-3
    warm_up: float = 0.03  # part of the schedule
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 1e-3  # of matrices and convolutions only
    clip_norm: float = 5.0
    ema_decay: float = 0.998
    keeps_statistics: bool = False  # batch norms keep those of the start: crops have others than whole photos

    focal_gamma: float = 2.0
    positive_weight: float = 1.0
    negative_weight: float = 2.0

    zoom: tuple[float, float] = (0.6, 1.8)  # of half the crops, relative to the letterbox scale
    face_size: tuple[float, float] = (8.0, 60.0)  # a random face's size in the other half
    most_upscaling: float = 2.0
    window: float = 1.0  # the edges of a training crop, in parts of the input's: a detector works at any size
    whole_every: int = 0  # and every so many batches all of the input, in as many photos fewer
    aspect: float = 0.12  # largest log-aspect change
    gain: tuple[float, float] = (0.6, 1.4)
    offset: float = 30.0  # grey levels
    colour: float = 0.0  # levels, of each channel of a colour photo on its own

    match_iou: float = 0.35
    ignore_iou: float = 0.30
    least_anchors: int = 3  # a face gets at least so many, as long as their IoU is above
    least_iou: float = 0.1
    smallest_face: float = 5.0  # geometric mean of the edges; smaller faces are ignored
    smallest_edge: float = 3.0

    kept_w1: float = 1.0  # of the entries of RNNPool's first W (hil.training.structure)
    kept_blocks: float = 1.0  # of the 2x2 blocks of its other matrices
    is_tied: bool = False  # bias_update - bias_gate is the same for all units of a cell
    sparse_by: float = 0.0  # the part of the schedule in which that comes about; 0: from the first step

    crop_area: tuple[float, float] = (0.2, 1.0)  # of a photo, for classifiers

    teacher_weight: float = 1.0  # of the teacher's loss beside the labels', where there is a teacher

    holdout_every: int = 20  # every 20th image of the train split chooses the checkpoint and is never trained on


def load_recipe(network: str, path: Path | None = None) -> Recipe:
    """The recipe of a network, or of a file: TOML with a line a constant that is not Recipe's default.

    Raises HilError for a file that cannot be read, a constant that Recipe does not have and a value of another kind.
    """
    path = path or RECIPES / f"{network}.toml"
    if not path.is_file():
        known = ", ".join(sorted(recipe.stem for recipe in RECIPES.glob("*.toml")))
        raise HilError(f"there is no recipe {path}: pass --recipe FILE, or train one of {known}")
    table = toml_of(read_text(path), str(path))
    defaults = {field.name: field.default for field in fields(Recipe)}
    unknown = sorted(table.keys() - defaults.keys())
    if unknown:
        raise HilError(f"{path}: a recipe has no {', '.join(unknown)}; it has {', '.join(defaults)}")
    values: dict[str, Any] = {name: _like(defaults[name], value, f"{path}, {name}") for name, value in table.items()}
    return Recipe(**values)


def _like(default: object, value: object, where: str) -> object:
    """A TOML value as the kind that a default is of: int, float or a pair of floats."""
    if isinstance(default, bool) and isinstance(value, bool):
        return value
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if type(default) is int and isinstance(value, int) and is_number:
        return value
    if isinstance(default, float) and is_number:
        return float(value)  # type: ignore[arg-type]
    if isinstance(default, tuple) and isinstance(value, list) and len(value) == len(default):
        return tuple(_like(0.0, item, where) for item in value)
    raise HilError(f"{where} is {value!r}, expected something like {default!r}")


@dataclass(frozen=True)
class Schedule:
    """A warm-up and a cosine over the images seen, whose end may be moved without a jump of the rate."""

    end: int
    seen_then: int = 0  # when the end was set last
    progress_then: float = 0.0

    def progress(self, seen: int) -> float:
        """0 at the start, 1 at the end."""
        rest = max(self.end - self.seen_then, 1)
        return min(1.0, self.progress_then + (1 - self.progress_then) * (seen - self.seen_then) / rest)

    def retargeted(self, seen: int, end: int) -> "Schedule":
        """The schedule that goes on from here and ends at another image count."""
        return Schedule(max(end, seen), seen, self.progress(seen))

    def rate(self, seen: int, recipe: Recipe) -> float:
        """The learning rate after so many images."""
        progress = self.progress(seen)
        if progress < recipe.warm_up:
            return recipe.peak_rate * progress / recipe.warm_up + 1e-6
        along = (progress - recipe.warm_up) / (1 - recipe.warm_up)
        return recipe.peak_rate * (1 + math.cos(math.pi * along)) / 2 + 1e-6
