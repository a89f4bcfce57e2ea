"""The gallery's pictures, made by the bench: `make docs-pictures` runs its commands and photographs what they write.

Needs chromium, git, and for the calls speedscope: `npm install --prefix build speedscope`. Without it that picture
stays as it is. The report and Robot's log are of the demo, what networks find is of the shipped ones, all else is of
the tutorials' network.
"""

from __future__ import annotations

import base64
import html
import os
import shutil
import subprocess
import sys
from pathlib import Path

from PIL import Image

REPOSITORY = Path(__file__).resolve().parent.parent
IMAGES = REPOSITORY / "docs" / "images"
WORK = REPOSITORY / "build" / "pictures"
SPEEDSCOPE = REPOSITORY / "build" / "node_modules" / "speedscope" / "dist" / "release" / "index.html"
NETWORK, PHOTO = "mine/seeded.safetensors", "project/photos/astronaut.png"
LINES, COLUMNS = 46, 160  # of the annotated disassembly
COLOURS = 128  # a PNG with a palette is a third as large
PHOTOGRAPHIC = "report"  # has a photo in it, for which these are too few
CHANGES = (  # the network's file in each commit of the history: what is replaced in it, one after the other
    ("The network of the tutorial", "", ""),
    ("LSTM cells", 'cell="gru"', 'cell="lstm"'),
    ("FastGRNN cells", 'cell="lstm"', 'cell="fastgrnn"'),
    ("More channels in the last layer", "24", "40"),
    ("Fewer again", "40", "28"),
)


def make(what: str) -> None:
    """Make one picture, by its name in PICTURES."""
    picture = IMAGES / f"{what}.png"
    page, width, height = PICTURES[what](picture)
    if page:
        photograph(page, picture, width, height)
    with Image.open(picture) as shown:
        exact = shown.convert("RGB")
    (exact if what == PHOTOGRAPHIC else exact.quantize(COLOURS)).save(picture, optimize=True)
    print(f"{picture.relative_to(REPOSITORY)}: {picture.stat().st_size} bytes")


Shown = tuple[str, int, int]  # a page's address, and the part of it that is photographed: width and height in pixels
DRAWN: Shown = ("", 0, 0)  # no page: the picture is there already


def report(_: Path) -> Shown:
    hil("demo", "--out", "demo")
    return (WORK / "demo" / "report.html").as_uri(), 1100, 1602


def flame_graph(_: Path) -> Shown:
    profile()
    return (WORK / "profile" / "flamegraph.svg").as_uri(), 1400, 198


def disassembly(_: Path) -> Shown:
    profile()
    lines = (WORK / "profile" / "hot.txt").read_text().splitlines()[:LINES]
    shown = "\n".join(line if len(line) <= COLUMNS else f"{line[: COLUMNS - 4]} ..." for line in lines)
    page = WORK / "hot.html"
    page.write_text(f'<meta charset="utf-8"><pre style="font:13px monospace;margin:12px">{html.escape(shown)}</pre>')
    return page.as_uri(), 1300, 715


def calls(_: Path) -> Shown:
    if not SPEEDSCOPE.is_file():
        print("calls: left as it is, npm install --prefix build speedscope brings its viewer")
        return DRAWN
    trace()
    content = base64.b64encode((WORK / "trace" / "speedscope.json").read_bytes()).decode()
    script = WORK / "calls.js"  # speedscope's own way to open a file without a server
    script.write_text(f"speedscope.loadFileFromBase64('speedscope.json', '{content}')")
    return f"{SPEEDSCOPE.as_uri()}#localProfilePath={script}", 1400, 270


def timeline(picture: Path) -> Shown:
    trace()
    run(str(REPOSITORY / "docs" / "tracks.py"), "trace/trace.json", str(picture), "152")
    return DRAWN


def history(_: Path) -> Shown:
    """Commits that change the network's file, each of them tested, in a repository of their own."""
    shutil.rmtree(WORK / "history", ignore_errors=True)
    hil("init", "history/project")
    shutil.copy(WORK / "mine" / "network.py", WORK / "history" / "project")
    folder = "history/project"
    git("init", "--quiet")
    for day, (what, old, new) in enumerate(CHANGES, 1):
        source = WORK / folder / "network.py"
        source.write_text(source.read_text().replace(old, new))
        git("add", "--all" if day == 1 else "network.py")
        git("commit", "--quiet", "--message", what, day=day)
        hil("seed", "--network", "network.py:make", "--out", "shapes.safetensors", folder=folder)
        tested = ["-q", "-k", "computes", "--hil-model", "shapes.safetensors", "--hil-results", f"../{day}"]
        run("-m", "pytest", *tested, folder=folder)
        hil("history", "history/store", "--add", f"history/{day}")
    return (WORK / "history" / "store" / "history.html").as_uri(), 1100, 1050


def finds(picture: Path) -> Shown:
    (WORK / "finds").mkdir(exist_ok=True)
    run(str(REPOSITORY / "docs" / "finds.py"), "finds", str(picture))
    return DRAWN


def robot_log(_: Path) -> Shown:
    run("-m", "robot", "--outputdir", "robot", "project/firmware.robot")
    return (WORK / "robot" / "log.html").as_uri(), 1100, 1000


PICTURES = {
    "report": report, "flame-graph": flame_graph, "disassembly": disassembly, "timeline": timeline, "calls": calls,
    "history": history, "robot-log": robot_log, "finds": finds,
}  # fmt: skip


def profile() -> None:
    """`hil profile`, once for both of its pictures."""
    if not (WORK / "profile" / "hot.txt").is_file():
        hil("profile", NETWORK, PHOTO, "--fit", "--out", "profile")


def trace() -> None:
    """`hil trace`, once for both of its pictures."""
    if not (WORK / "trace" / "trace.json").is_file():
        hil("trace", NETWORK, PHOTO, "--fit", "--out", "trace")


def network() -> None:
    """The network and the photo of the tutorials."""
    if not (WORK / NETWORK).is_file():
        hil("init", "project")
        hil("new-network", "mine")
        hil("seed", "--network", "mine/network.py:make", "--out", NETWORK)


def hil(*words: str, folder: str = "") -> None:
    run("-c", "from hil.cli import main; main()", *words, folder=folder)


def run(*words: str, folder: str = "") -> None:
    """Python in a folder of WORK, with this checkout's package. Its output is shown; a failure ends everything."""
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "COLUMNS": "120"}
    subprocess.run([sys.executable, *words], cwd=WORK / folder, env=environment, check=True)


def git(*words: str, day: int = 1) -> None:
    """git in the history's project, by nobody, on a day of January 2026."""
    when = f"2026-01-{day:02}T12:00:00+00:00"
    who = {f"GIT_{role}_{what}": "docs" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    environment = os.environ | who | {"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when}
    subprocess.run(["git", *words], cwd=WORK / "history" / "project", env=environment, check=True)


def photograph(page: str, picture: Path, width: int, height: int) -> None:
    """What a browser shows of a page, in pixels, as a PNG."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        sys.exit("needs a browser: apt-get install -y chromium")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--virtual-time-budget=20000"]
    options += ["--allow-file-access-from-files", f"--user-data-dir={WORK / 'browser'}"]
    options += [f"--window-size={width},{height}", f"--screenshot={picture}"]
    subprocess.run([browser, *options, page], check=True, capture_output=True)


if __name__ == "__main__":
    WORK.mkdir(parents=True, exist_ok=True)
    network()
    for name in sys.argv[1:] or PICTURES:
        make(name)
