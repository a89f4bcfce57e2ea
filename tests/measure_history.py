"""How long headless Chromium takes to open the history of many commits, until the page has loaded and was painted.

    PYTHONPATH=tests python tests/measure_history.py --commits 1000

docs/gate.md has what this prints. The history is made up: one network on two targets.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import tempfile
from pathlib import Path

from test_gate_history import BROWSER, many

from hil.gate.steps import steps
from hil.gate.tolerance import DEFAULTS
from hil.report.history_html import render

SAY = """<script>addEventListener("load", () => {
  document.body.getBoundingClientRect();  // laid out, too
  document.body.dataset.ms = performance.now();
});</script></body>"""


def opened_ms(page: Path, profile: Path) -> float:
    """Milliseconds from the beginning of the page's loading to its end, layout included."""
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}", "--dump-dom"]
    done = subprocess.run([str(BROWSER), *options, page.as_uri()], capture_output=True, text=True, check=True)
    return float(done.stdout.split('data-ms="')[1].split('"')[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commits", type=int, default=1000)
    parser.add_argument("--times", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "history.html"
        page.write_text(render(list(steps(many(options.commits), DEFAULTS))).replace("</body>", SAY), encoding="utf-8")
        taken = [opened_ms(page, Path(folder) / f"user{i}") for i in range(options.times)]
        size = page.stat().st_size
    print(f"{options.commits} commits, {size / 1e6:.1f} MB: {statistics.median(taken):.0f} ms at the median of "
          f"{options.times} ({', '.join(f'{ms:.0f}' for ms in taken)})")  # fmt: skip


if __name__ == "__main__":
    main()
