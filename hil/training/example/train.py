"""Trains network.py's network on pictures that it draws itself: python train.py --minutes 1.

Writes shapes.safetensors, and photos/ with pictures for `hil quantise` and `hil run`. To train on photos of your own,
replace `batch`. (For folders of photos, one a class, there is also `hil train --network network.py:make --data DIR`.)
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from network import CLASSES
from PIL import Image, ImageDraw

from hil.reference import found, weights

HERE = Path(__file__).parent
SIZE = (80, 56)  # columns, rows


def picture(kind: str, rng: np.random.Generator) -> Image.Image:
    """A shape of some colour, size and place on a noisy ground."""
    ground = rng.integers(0, 120, 3) + rng.normal(0, 12, (SIZE[1], SIZE[0], 3))
    image = Image.fromarray(np.clip(ground, 0, 255).astype(np.uint8))
    radius = rng.uniform(12, 24)
    x, y = rng.uniform(radius, SIZE[0] - radius), rng.uniform(radius, SIZE[1] - radius)
    box, colour = (x - radius, y - radius, x + radius, y + radius), tuple(rng.integers(130, 256, 3).tolist())
    draw = ImageDraw.Draw(image)
    if kind == "circle":
        draw.ellipse(box, colour)
    else:
        draw.regular_polygon((x, y, radius), 4 if kind == "square" else 3, int(rng.uniform(-12, 12)), colour)
    return image


def batch(count: int, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """uint8 images (N, C, H, W) and their classes (N,)."""
    labels = rng.integers(0, len(CLASSES), count)
    images = np.stack([np.asarray(picture(CLASSES[label], rng)) for label in labels])
    return torch.from_numpy(images).permute(0, 3, 1, 2), torch.from_numpy(labels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    torch.set_num_threads(1)  # for maps this small more of them only wait for each other
    rng = np.random.default_rng(options.seed)
    network = found.make(f"{HERE / 'network.py'}:make")  # as the bench makes it, so that the checkpoint remembers
    optimiser = torch.optim.AdamW(network.parameters(), 1e-2)
    begun, steps = time.monotonic(), 0
    while (spent := (time.monotonic() - begun) / (60 * options.minutes)) < 1 or steps < 20:
        network.train()
        for group in optimiser.param_groups:
            group["lr"] = 1e-2 * max(1 - spent, 0.01)  # slower and slower towards the end
        images, labels = batch(16, rng)
        loss = F.cross_entropy(network(network.normalise(images)), labels)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        steps += 1
        if steps % 50 == 0:
            print(f"{steps} steps, loss {loss.item():.3f}", flush=True)
    network.eval()
    images, labels = batch(256, rng)
    with torch.no_grad():
        right = (network(network.normalise(images)).argmax(1) == labels).float().mean().item()
    weights.save(network, HERE / "shapes.safetensors", {"training": f"{steps} steps, seed {options.seed}"})
    (HERE / "photos").mkdir(exist_ok=True)
    for i in range(64):
        picture(CLASSES[i % 3], rng).save(HERE / "photos" / f"{CLASSES[i % 3]}{i // 3:02}.png")
    print(f"{right:.0%} of 256 new pictures right; {HERE / 'shapes.safetensors'}, {HERE / 'photos'}")


if __name__ == "__main__":
    main()
