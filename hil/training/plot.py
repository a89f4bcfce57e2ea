"""The training's curve: losses and what the held-out photos say, over the images seen."""

import math
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from hil.files import writing

LABELS = {"confidence_loss": "focal", "box_loss": "box", "class_loss": "cross entropy"}


def _label(loss: str) -> str:
    label = LABELS[loss.removeprefix("taught_")]
    return f"{label}, against the teacher" if loss.startswith("taught_") else label


def plot_history(history: Sequence[dict[str, float]], path: Path) -> None:
    """Write the history's losses, and its AP or accuracy, as a PNG."""
    figure = Figure(figsize=(7, 3), layout="constrained")
    losses, quality = figure.subplots(1, 2)
    images = [entry["images"] / 1000 for entry in history]
    for key in (key for key in history[-1] if key.endswith("_loss")):
        values = [entry.get(key, math.nan) for entry in history]  # a teacher may have come later
        losses.plot(images, values, label=_label(key))
    losses.set(ylabel="training loss", xlabel="thousand images")
    for key in (key for key in history[-1] if key.startswith("ap_") or key == "accuracy"):
        label = f"AP, faces of {key.removeprefix('ap_').removesuffix('px')} px and more" if key != "accuracy" else key
        quality.plot(images, [entry[key] for entry in history], label=label)
    quality.set(ylabel="held-out photos", xlabel="thousand images", ylim=(0, None))
    for axes in (losses, quality):
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7, frameon=False)
    with writing(path) as file:
        figure.savefig(file, format="png", dpi=100)
