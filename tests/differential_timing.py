"""A campaign: the compiled model against the statement, on drawn programs, for as long as it is given.

    python tests/differential_timing.py --seconds 600 --first 0

Prints how many programs and executed instructions agreed; ends with the first seed that does not. The next campaign
begins at the seed it names. `tests/test_timing_compiled.py` does the same on a few programs each run.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from test_timing_compiled import BOARD, ENTRY, STACK, random_program, readable_cycles, record  # noqa: E402

from hil.timing.cycles.core import Core  # noqa: E402
from hil.timing.statement import rules  # noqa: E402


def agrees(seed: int) -> int:
    """Executed instructions of the program of a seed, or -1 where the two differ."""
    rng = random.Random(seed)
    program = random_program(seed, rng.choice([20, 40, 100, 200, 600]))
    wait_states = rng.choice([0, 1, 5, 7])
    off = frozenset(rng.sample(rules.NAMES, rng.randrange(4))) if rng.random() < 0.3 else frozenset()
    steps = record(program)
    compiled = Core(program, BOARD, "full", rules.ALL - off, wait_states)
    cycles = compiled.call(ENTRY, (), STACK, 10**7).cycles
    return len(steps) if cycles == readable_cycles(steps, rules.ALL - off, wait_states) else -1


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="of wall time")
    parser.add_argument("--first", type=int, default=0, help="seed to begin with")
    arguments = parser.parse_args()
    end, seed, instructions = time.monotonic() + arguments.seconds, arguments.first, 0
    while time.monotonic() < end:
        executed = agrees(seed)
        if executed < 0:
            sys.stdout.write(f"seed {seed}: the compiled model differs from the statement\n")
            return 1
        instructions += executed
        seed += 1
    sys.stdout.write(f"{seed - arguments.first} programs, {instructions} instructions: no difference; next {seed}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
