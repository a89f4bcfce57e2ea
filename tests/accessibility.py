"""axe-core over HTML pages in headless Chromium: `python tests/accessibility.py PAGE...` prints what it finds.

axe-core comes from npm: `npm install --prefix build axe-core`. Every page is looked at in light and in dark colours, as
wide as a desk's screen and as a phone's.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
AXE = REPOSITORY / "build" / "node_modules" / "axe-core" / "axe.min.js"
SERIOUS = ("serious", "critical")
LOOKS = {"light": 1, "dark": 0}  # Blink's preferredColorScheme
WIDTHS = (1200, 412)  # pixels: a desk's screen, a phone
PATIENCE_S = 500

# Pages one after the other in a frame: starting a browser takes longer than looking at a page.
DRIVER = """<!doctype html><meta charset="utf-8"><iframe id="frame" style="border:0;height:900px"></iframe><script>
const pages = PAGES, widths = WIDTHS, frame = document.getElementById("frame");
const shown = address => new Promise(done => { frame.onload = done; frame.src = address; });
const say = result => {
  const said = document.createElement("script");
  said.type = "application/json"; said.id = "found";
  said.textContent = JSON.stringify(result).replaceAll("<", "\\u003c");
  document.body.append(said);
};
(async () => {
  const axe = AXE, found = [];
  for (const page of pages) for (const width of widths) {
    frame.style.width = width + "px";
    await shown("about:blank");
    await shown(page);
    await new Promise(done => setTimeout(done, 1000));  // virtual milliseconds, for what a page does once it is loaded
    const script = frame.contentDocument.createElement("script");
    script.textContent = axe;
    frame.contentDocument.head.append(script);
    const seen = await frame.contentWindow.axe.run(frame.contentDocument, {resultTypes: ["violations"]});
    for (const rule of seen.violations) found.push({page, width, impact: rule.impact, rule: rule.id, help: rule.help,
      places: rule.nodes.map(node => node.target.join(" ") + ": " + node.failureSummary.replaceAll("\\n", " "))});
  }
  const said = document.createElement("script");
  said.type = "application/json"; said.id = "found";
  said.textContent = JSON.stringify({pages: pages.length, found}).replaceAll("<", "\\\\u003c");
  document.body.append(said);
})();
</script>"""


@dataclass(frozen=True)
class Finding:
    """A rule of axe-core that a page breaks. impact: minor, moderate, serious or critical; width: in pixels."""

    page: str
    look: str
    width: int
    impact: str
    rule: str
    help: str
    places: tuple[str, ...]

    def __str__(self) -> str:
        places = "".join(f"\n    {place}" for place in self.places[:4])
        return f"{self.page}, {self.look}, {self.width} px: {self.impact}: {self.rule}: {self.help}{places}"


def findings(pages: Sequence[Path], axe: Path = AXE) -> list[Finding]:
    """What axe-core finds on every page, in both looks and widths. Raises RuntimeError where the browser fails."""
    with tempfile.TemporaryDirectory() as folder:
        addresses = [page.resolve().as_uri() for page in pages]
        text = DRIVER.replace("PAGES", json.dumps(addresses)).replace("WIDTHS", json.dumps(WIDTHS))
        driver = Path(folder, "driver.html")
        driver.write_text(text.replace("AXE", json.dumps(axe.read_text()).replace("<", "\\u003c")))
        return [finding for look in LOOKS for finding in _look(driver, look, Path(folder, look))]


def _look(driver: Path, look: str, profile: Path) -> list[Finding]:
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files", "--dump-dom"]
    options += [f"--user-data-dir={profile}", f"--blink-settings=preferredColorScheme={LOOKS[look]}"]
    command = [str(BROWSER), *options, "--virtual-time-budget=3600000", driver.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
    start = '<script type="application/json" id="found">'
    if start not in done.stdout:
        raise RuntimeError(f"the browser said nothing: {done.stderr[-2000:]}")
    said = json.loads(done.stdout.partition(start)[2].partition("</script>")[0])
    if "error" in said:
        raise RuntimeError(said["error"])
    return [Finding(look=look, **one | {"places": tuple(one["places"])}) for one in said["found"]]


if __name__ == "__main__":
    if BROWSER is None or not AXE.is_file():
        sys.exit("needs chromium and axe-core: npm install --prefix build axe-core")
    everything = findings([Path(name) for name in sys.argv[1:]])
    for finding in everything:
        print(finding)
    serious = sum(finding.impact in SERIOUS for finding in everything)
    print(f"{len(sys.argv) - 1} pages, {serious} serious findings, {len(everything) - serious} others")
    sys.exit(serious > 0)
