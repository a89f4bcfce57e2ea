"""The suite's own coverage of the firmware: which lines of app/ and kernels/ never ran on a simulated board.

    pytest hil/suite --hil-coverage suite.info
    pytest tests/test_kernels_on_sim.py --hil-coverage kernels.info
    PYTHONPATH=tests python tests/firmware_coverage.py suite.info kernels.info --limit 95

Sessions of pytest add up. Prints each file's share and the text of each line that no session ran; exit code 1 below
the limit.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import gcov

SOURCES = Path(__file__).resolve().parent.parent
ROOMS = ("firmware_src/app/", "firmware_src/kernels/")


def merged(tracefiles: list[Path]) -> gcov.Counts:
    """On how many boards each line of ROOMS ran, over all tracefiles."""
    found: gcov.Counts = {}
    for path in tracefiles:
        for file, lines in gcov.of_tracefile(path.read_text(encoding="utf-8")).items():
            if file.startswith(ROOMS):
                of_file = found.setdefault(file, {})
                for line, count in lines.items():
                    of_file[line] = of_file.get(line, 0) + count
    return found


def percent(lines: dict[int, int]) -> float:
    """Of lines, those that ran."""
    return 100 * sum(1 for count in lines.values() if count) / len(lines) if lines else 100.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tracefiles", nargs="+", type=Path)
    parser.add_argument("--limit", type=float, default=95.0, help="percent of all lines")
    options = parser.parse_args()
    found = merged(options.tracefiles)
    for file, lines in sorted(found.items()):
        print(f"{file}: {percent(lines):.1f} % of {len(lines)} lines")
        text = (SOURCES / file).read_text(encoding="utf-8").splitlines()
        for line in sorted(line for line, count in lines.items() if not count):
            print(f"    {line}: {text[line - 1].strip()}")
    everything = {(file, line): count for file, lines in found.items() for line, count in lines.items()}
    share = percent(dict(enumerate(everything.values())))
    print(f"{share:.1f} % of {len(everything)} lines in {len(found)} files")
    return 0 if share >= options.limit else 1


if __name__ == "__main__":
    sys.exit(main())
