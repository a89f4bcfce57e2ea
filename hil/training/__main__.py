"""`python -m hil.training train|evaluate`: the commands without the rest of the bench."""

import argparse
import logging
import sys
from collections.abc import Callable
from pathlib import Path

from hil.errors import HilError
from hil.training import command


def main() -> int:
    """Run a command; 2 and one line for the user's errors."""
    parser = argparse.ArgumentParser(prog="python -m hil.training")
    commands = parser.add_subparsers(dest="command", required=True)
    train = commands.add_parser("train", help="train a network: detectors on WIDER FACE, classifiers on VWW")
    train.add_argument("model")
    train.add_argument("--data", type=Path, required=True, help="folder of WIDER FACE, or of Visual Wake Words")
    train.add_argument("--out", type=Path, default=Path("build/training"))
    train.add_argument("--images", type=int, help="images seen at the schedule's end")
    train.add_argument("--minutes", type=float, help="bring the end forward to take no longer")
    train.add_argument("--threads", type=int, default=2)
    train.add_argument("--seed", type=int, default=0)
    train.add_argument("--resume", action="store_true", dest="is_resumed")
    train.add_argument("--start", type=Path, help="checkpoint to begin with instead of fresh weights")
    train.add_argument("--recipe", type=Path, help="TOML with other constants than the network's own recipe")
    train.add_argument("--device", default="auto", help="auto, cpu or cuda")
    train.add_argument("--precision", default="auto", help="auto, float32 or bfloat16")
    train.add_argument("--quantise-aware", action="store_true", dest="is_quantised", help="learn to live with rounding")
    train.add_argument("--cache", type=Path, help="folder for decoded photos")
    evaluate = commands.add_parser("evaluate", help="AP easy, medium and hard on WIDER_val, in floating point")
    evaluate.add_argument("model", help="a shipped model's name or a checkpoint")
    evaluate.add_argument("--data", type=Path, required=True, help="folder in WIDER FACE's official layout")
    evaluate.add_argument("--threads", type=int, default=2)
    evaluate.add_argument("--score-threshold", type=float, default=0.02)
    evaluate.add_argument("--nms-iou", type=float)
    options = vars(parser.parse_args())
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    commands_by_name: dict[str, Callable[..., object]] = {
        "train": command.train_command,
        "evaluate": command.evaluate_command,
    }
    run = commands_by_name[options.pop("command")]
    try:
        sys.stdout.write(f"{run(**options)}\n")
    except HilError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
