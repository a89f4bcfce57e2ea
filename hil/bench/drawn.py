"""Images drawn from a seed, so that no firmware can know their right answers in advance."""

from __future__ import annotations

import secrets

import numpy as np

from hil.reference.catalogue import Spec
from hil.reference.photo import Photo, from_array

PATCHES = (4, 8, 16, 32)  # pixels: structure at the sizes of faces
NOISE = 12  # grey levels


def draw(spec: Spec, seed: int) -> Photo:
    """An image for a network, the same for the same seed: patches of random tones at several scales, and noise."""
    dice = np.random.default_rng(seed)
    channels, height, width = spec.input_shape
    image = np.full((height, width, channels), dice.uniform(60, 200))
    for patch in PATCHES:
        tones = dice.normal(0, dice.uniform(10, 40), (-(-height // patch), -(-width // patch), channels))
        image += tones.repeat(patch, 0).repeat(patch, 1)[:height, :width]
    image += dice.normal(0, NOISE, image.shape)
    return from_array(np.clip(image, 0, 255).astype(np.uint8))


def fresh_seed() -> int:
    """A seed that was not there before this run."""
    return secrets.randbits(32)
