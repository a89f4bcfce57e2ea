"""Schedules of a network from the fastest to the smallest, each built and run once on the simulated board in full mode.

    PYTHONPATH=. python tests/ram_sweep.py rnnpool_face_m4 build/demo/image.png --count 8

A row a schedule, as docs/performance.md has them. Exit code 1 where one is not bit-exact, takes more RAM than planned,
or fewer cycles than a larger one.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from hil import board as boards
from hil.firmware.planned import planned


def measured(model: str, image: Path, budget: int, folder: Path) -> tuple[int, int, bool]:
    """RAM and cycles of the fastest schedule within a budget, and whether it is bit-exact."""
    found = folder / "run.json"
    words = [sys.executable, "-m", "hil", "run", model, str(image), "--timing", "full", "--ram-budget", str(budget)]
    words += ["--json", str(found), "--out", str(folder / "firmware")]
    done = subprocess.run(words, capture_output=True, text=True)  # 1 where the run misses one of the board's limits
    if not found.is_file():
        raise SystemExit(done.stderr or done.stdout)
    run = json.loads(found.read_text(encoding="utf-8"))
    return run["ram"]["total_bytes"], run["cycles"]["total"], run["bit_exact"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("image", type=Path)
    parser.add_argument("--count", type=int, default=8, help="schedules, evenly among all")
    options = parser.parse_args()
    plans = planned(options.model, boards.load("stm32f407_disco"))[1]
    last = max(1, options.count - 1)
    numbers = sorted({round(i * (len(plans) - 1) / last) for i in range(options.count)})
    slower, bad = 0, 0
    print("| RAM, planned | RAM, measured | Mcycles, measured |\n|---|---|---|")
    for plan in (plans[number] for number in numbers):
        with tempfile.TemporaryDirectory() as folder:
            ram, cycles, is_exact = measured(options.model, options.image, plan.ram_bytes, Path(folder))
        print(f"| {plan.ram_bytes:,} | {ram:,} | {cycles / 1e6:.1f} |", flush=True)
        bad += not is_exact or ram > plan.ram_bytes or cycles < slower
        slower = cycles
    print(f"{len(numbers)} schedules, {bad} not as planned")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
