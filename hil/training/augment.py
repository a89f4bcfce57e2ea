"""Random crops, flips and changes of level and colour that keep small faces learnable at the network's size."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from hil.training.recipe import Recipe


@dataclass(frozen=True)
class Crop:
    """A rectangle of the photo that becomes the whole input.

    left, top: its corner in photo pixels (negative where the photo does not reach), x_scale, y_scale: input pixels a
    photo pixel.
    """

    left: float
    top: float
    x_scale: float
    y_scale: float

    def boxes(self, boxes: np.ndarray) -> np.ndarray:
        """Photo boxes (n, 4) in input pixels, unclipped."""
        corner = np.array([self.left, self.top, self.left, self.top], np.float32)
        scale = np.array([self.x_scale, self.y_scale, self.x_scale, self.y_scale], np.float32)
        return (boxes - corner) * scale


def random_crop(
    shape: tuple[int, int], boxes: np.ndarray, size: tuple[int, int], recipe: Recipe, rng: np.random.Generator
) -> Crop:
    """A crop around a random face of a photo: half at about the letterbox scale, half making the face a chosen size.

    shape: the photo's (height, width), boxes: its faces (n >= 1), size: the crop's (height, width), recipe.window of
    the input's, which the letterbox scale is for.
    """
    height, width = shape
    box = boxes[rng.integers(len(boxes))]
    letterbox = min(size[0] / height, size[1] / width) / recipe.window
    if rng.random() < 0.5:
        scale = letterbox * _log_uniform(rng, recipe.zoom)
    else:
        face = np.sqrt((box[2] - box[0]) * (box[3] - box[1]))
        least = min(letterbox * recipe.zoom[0] * 2 / 3, recipe.most_upscaling)
        scale = np.clip(_log_uniform(rng, recipe.face_size) / max(face, 1e-3), least, recipe.most_upscaling)
    aspect = np.exp(rng.uniform(-recipe.aspect, recipe.aspect))
    x_scale, y_scale = scale * aspect, scale / aspect
    left = _random_start(size[1] / x_scale, width, (box[0] + box[2]) / 2, rng)
    top = _random_start(size[0] / y_scale, height, (box[1] + box[3]) / 2, rng)
    return Crop(left, top, x_scale, y_scale)


def _log_uniform(rng: np.random.Generator, limits: tuple[float, float]) -> float:
    return float(np.exp(rng.uniform(np.log(limits[0]), np.log(limits[1]))))


def _random_start(crop: float, extent: int, centre: float, rng: np.random.Generator) -> float:
    """Where a crop of a length starts along an axis: the centre stays inside, the photo is left as little as needed."""
    if crop >= extent:
        return rng.uniform(extent - crop, 0)
    low, high = max(0.0, centre - 0.95 * crop), min(extent - crop, centre - 0.05 * crop)
    low, high = min(low, extent - crop), max(high, 0.0)
    return rng.uniform(low, high) if high > low else low


def cut(
    photo: np.ndarray,
    crop: Crop,
    size: tuple[int, int],
    mean: float | np.ndarray,
    recipe: Recipe,
    rng: np.random.Generator,
) -> np.ndarray:
    """The crop of a photo with a random gain and offset: float32 (height, width[, 3]), zero-mean, zero outside it.

    photo: (H, W) or (H, W, 3) uint8, mean: its mean, a value a channel.
    """
    (height, width), (rows, columns) = photo.shape[:2], size
    right, bottom = crop.left + columns / crop.x_scale, crop.top + rows / crop.y_scale
    source = max(0.0, crop.left), max(0.0, crop.top), min(float(width), right), min(float(height), bottom)
    x0, y0, x1, y1 = crop.boxes(np.array([source], np.float32)).round().astype(int)[0]
    x0, y0 = min(max(x0, 0), columns - 1), min(max(y0, 0), rows - 1)
    x1, y1 = min(columns, max(x1, x0 + 1)), min(rows, max(y1, y0 + 1))
    left, top = int(source[0]), int(source[1])
    part = Image.fromarray(photo[top : int(np.ceil(source[3])), left : int(np.ceil(source[2]))])
    box = source[0] - left, source[1] - top, source[2] - left, source[3] - top
    pixels = np.asarray(part.resize((x1 - x0, y1 - y0), Image.Resampling.BILINEAR, box=box))
    tables = _level_tables(mean, recipe, rng)
    out = np.zeros((*size, *photo.shape[2:]), np.float32)
    if photo.ndim == 2:
        out[y0:y1, x0:x1] = tables[0][pixels]
    else:
        for channel, table in enumerate(tables):
            out[y0:y1, x0:x1, channel] = table[pixels[..., channel]]
    return out


def _level_tables(mean: float | np.ndarray, recipe: Recipe, rng: np.random.Generator) -> np.ndarray:
    """What each of the 256 levels becomes, (channels, 256) float32: a look-up is three times as fast as the sums."""
    means = np.atleast_1d(np.asarray(mean, np.float32))[:, None]
    levels = (np.arange(256, dtype=np.float32) - means) * rng.uniform(*recipe.gain)
    levels = levels + rng.uniform(-recipe.offset, recipe.offset)
    if len(means) > 1:
        levels = levels + rng.uniform(-recipe.colour, recipe.colour, (len(means), 1))
    return levels.clip(-means, 255 - means).astype(np.float32)


def augmented(
    photo: np.ndarray,
    boxes: np.ndarray,
    size: tuple[int, int],
    mean: float | np.ndarray,
    recipe: Recipe,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A random view: input (height, width[, 3]) less the mean, its boxes (n, 4), and for each whether it was cut.

    A face whose centre is outside is marked as cut; boxes are clipped to the input but not removed.
    """
    crop = random_crop(photo.shape[:2], boxes, size, recipe, rng)
    view, boxes = cut(photo, crop, size, mean, recipe, rng), crop.boxes(boxes)
    rows, columns = size
    if rng.random() < 0.5:
        view = view[:, ::-1]
        boxes = boxes[:, [2, 1, 0, 3]]
        boxes[:, [0, 2]] = columns - boxes[:, [0, 2]]
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    is_cut = ((centres <= 0) | (centres >= [columns, rows])).any(1)
    return view, boxes.clip(0, np.array([columns, rows, columns, rows], np.float32)), is_cut
