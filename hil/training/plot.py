"""The training's curve: losses and held-out AP over the images seen."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure


def plot_history(history: Sequence[dict[str, float]], path: Path) -> None:
    """Write the history's loss and AP as a PNG."""
    figure = Figure(figsize=(7, 3), layout="constrained")
    losses, precision = figure.subplots(1, 2)
    images = [entry["images"] / 1000 for entry in history]
    for key, label in (("confidence_loss", "focal"), ("box_loss", "box")):
        losses.plot(images, [entry[key] for entry in history], label=label)
    losses.set(ylabel="training loss", xlabel="thousand images")
    for key in (key for key in history[-1] if key.startswith("ap_")):
        label = f"faces of {key.removeprefix('ap_').removesuffix('px')} px and more"
        precision.plot(images, [entry[key] for entry in history], label=label)
    precision.set(ylabel="AP, held-out photos", xlabel="thousand images", ylim=(0, None))
    for axes in (losses, precision):
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7, frameon=False)
    figure.savefig(path, dpi=100)
