"""A campaign: the compiled model against the statement, on drawn sequences (drawn_sequences.py), in pieces.

    python tests/differential_timing.py --sequences 10000000 --seconds 540 --state campaign.json

Goes on where the state file says, adds to its counts, and ends with the first seed that differs.
`tests/test_timing_drawn.py` does the same on a few programs each run.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from drawn_sequences import cycles_by_hooks, drawn_program, run_of, sequences  # noqa: E402
from test_timing_compiled import cycles_by_statement  # noqa: E402

from hil.timing.statement import rules  # noqa: E402

LENGTHS = (100, 300, 700, 1500)  # bytes; the instruction cache holds 1,024


def compared(seed: int) -> tuple[int, int, bool]:
    """Sequences and instructions that the program of a seed executes, and whether both models agree on its cycles."""
    rng = random.Random(seed)
    program = drawn_program(seed, rng.choice(LENGTHS))
    wait_states = rng.choice([0, 1, 5, 7])
    off = frozenset(rng.sample(rules.NAMES, rng.randrange(4))) if rng.random() < 0.3 else frozenset()
    steps = run_of(program)
    active = rules.ALL - off
    agrees = cycles_by_hooks(program, active, wait_states) == cycles_by_statement(steps, active, wait_states)
    return sequences(steps), len(steps), agrees


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sequences", type=int, default=10_000_000, help="in all")
    parser.add_argument("--seconds", type=float, default=540.0, help="of wall time, for this piece")
    parser.add_argument("--state", type=Path, help="a file that keeps the counts between pieces")
    arguments = parser.parse_args()
    state = {"programs": 0, "sequences": 0, "instructions": 0}
    if arguments.state and arguments.state.is_file():
        state = json.loads(arguments.state.read_text())
    end = time.monotonic() + arguments.seconds
    while state["sequences"] < arguments.sequences and time.monotonic() < end:
        count, instructions, agrees = compared(state["programs"])
        if not agrees:
            sys.stdout.write(f"seed {state['programs']}: the compiled model differs from the statement\n")
            return 1
        state["programs"] += 1
        state["sequences"] += count
        state["instructions"] += instructions
        if arguments.state:
            arguments.state.write_text(json.dumps(state))
    sys.stdout.write(f"{state}: no difference\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
