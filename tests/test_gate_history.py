"""`hil history`: a folder of results by commit, and a page that a browser, a keyboard and a screen reader can use."""

from __future__ import annotations

import json
import shutil
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import compared
import numpy as np
import pytest
from cli import Outcome, hil
from PIL import Image

from hil.gate.steps import steps
from hil.gate.store import Commit, add, read
from hil.gate.tolerance import DEFAULTS
from hil.locks import Lock
from hil.report.history_html import render

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """`hil history` in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str | Path) -> Outcome:
        return hil(capsys, monkeypatch, "history", *arguments)

    return call


def name(number: int) -> str:
    """A commit's."""
    return f"{number:08x}".ljust(40, "0")


def results(folder: Path, number: int, slower: bool = False, dirty: bool = False) -> Path:
    """The results of a commit, made an hour after the one before it."""
    run = compared.slower_and_larger() if slower else compared.run()
    origin = {"commit": name(number), "committed": f"2026-01-01T{number:02}:00:00+00:00", "dirty": dirty}
    compared.write(folder / "run.json", run | {"origin": run["origin"] | origin})
    compared.write(folder / "evaluation.json", compared.evaluation(0.7 if slower else 0.8))
    return folder


def store(tmp_path: Path) -> Path:
    """Of three commits, taken in out of order; the last is slower."""
    for number in (2, 1, 3):
        add(tmp_path / "store", results(tmp_path / f"r{number}", number, slower=number == 3))
    return tmp_path / "store"


def test_one_at_a_time_adds_to_a_store_and_reads_it(command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or it reads what another is just putting there."""
    free = []

    def noted(*arguments: object) -> object:
        free.append(Lock(f"the history in {tmp_path / 'store'}").is_free())
        return real[len(free) - 1](*arguments)

    real = (add, read)
    monkeypatch.setattr("hil.gate.store.add", noted)
    monkeypatch.setattr("hil.gate.store.read", noted)
    assert command("store", "--add", results(tmp_path / "r1", 1)).code == 0
    assert free == [False, False] and Lock(f"the history in {tmp_path / 'store'}").is_free()


def many(count: int) -> list[Commit]:
    """A history of a network on two targets."""
    rng = np.random.default_rng(1)
    cycles = 70e6 + np.cumsum(rng.normal(0, 2e4, count))
    found = []
    for n in range(count):
        figures = {
            f"rnnpool_face_m4 stm32f407_disco {target}": {
                "cycles.total": round(cycles[n] * more), "ram.total_bytes": 130_000 + n // 40 * 8,
                "firmware.flash_bytes": 190_000 + n, "ap.hard.integer": 0.7 + n / 1e5, "cycles.layer.conv0": n,
            }
            for target, more in (("sim", 1.0), ("renode", 1.1))
        }  # fmt: skip
        units = {name: "byte" for name in next(iter(figures.values()))}
        found.append(Commit(name(n), f"2026-01-01T00:00:{n % 60:02}+00:00", "main", figures, units))
    return found


def test_commits_stand_in_the_order_of_their_dates(tmp_path: Path) -> None:
    commits, damaged = read(store(tmp_path))
    assert [int(commit.commit[:8], 16) for commit in commits] == [1, 2, 3] and damaged == []


def test_a_step_says_what_moved(tmp_path: Path) -> None:
    first, second, third = steps(read(store(tmp_path))[0], DEFAULTS)
    assert not first.rows and not second.rows
    assert {"cycles.layer.conv0", "ram.buffer.rows", "ap.easy.integer"} <= {row.name for _, row in third.rows}
    assert third.worse >= 4


def test_a_commit_is_taken_in_once(tmp_path: Path) -> None:
    folder = store(tmp_path)
    add(folder, results(tmp_path / "again", 3))
    commits, _ = read(folder)
    assert len(commits) == 3 and not any(step.rows for step in steps(commits, DEFAULTS))


def test_dates_of_other_zones_are_understood(tmp_path: Path) -> None:
    run = compared.run()
    for number, date in ((1, "2026-01-01T12:00:00+09:00"), (2, "2026-01-01T04:00:00+00:00")):
        made = run["origin"] | {"commit": name(number), "committed": date}
        add(tmp_path / "store", compared.write(tmp_path / "one.json", run | {"origin": made}))
    assert [int(commit.commit[:8], 16) for commit in read(tmp_path / "store")[0]] == [1, 2]


def test_the_page_has_charts_a_table_and_what_moved(command, tmp_path: Path) -> None:
    said = command(store(tmp_path))
    page = (tmp_path / "store" / "history.html").read_text()
    assert said.code == 0 and "shows 3 commits" in said.out
    assert page.count("<figure>") == 6 and page.count('href="#c-00000003') > 0
    assert "ap.easy.integer" in page and "ram.buffer.rows" in page and "worse" in page
    assert 'src="' not in page and "@import" not in page


def test_a_damaged_file_costs_its_commit_alone_and_is_named(command, tmp_path: Path) -> None:
    folder = store(tmp_path)
    (folder / name(2) / "run.json").write_text("{")
    (folder / "index.json").write_text("[" * 9)
    said = command(folder)
    assert said.code == 1 and f"{name(2)}/run.json is damaged" in said.err.replace("\n", "")
    assert "shows 2 commits" in said.out
    assert "is damaged" in (folder / "history.html").read_text()


@pytest.mark.parametrize("index", ["", "3", '{"schema": 9}', '{"schema": 1, "commits": {"a": 3}}', "{"])
def test_a_damaged_index_is_made_anew(tmp_path: Path, index: str) -> None:
    folder = store(tmp_path)
    (folder / "index.json").write_text(index)
    assert len(read(folder)[0]) == 3
    assert len(json.loads((folder / "index.json").read_text())["commits"]) == 3


def test_results_of_no_commit_or_with_changes_are_refused(command, tmp_path: Path) -> None:
    compared.write(tmp_path / "none" / "run.json", compared.run(commit=""))
    said = command("store", "--add", "none")
    assert said.code == 2 and "is of none commit" in said.err
    changed = results(tmp_path / "changed", 1, dirty=True)
    assert command("store", "--add", changed).code == 2
    assert command("store", "--add", changed, "--dirty").code == 0


def test_no_store_says_how_to_make_one(command, tmp_path: Path) -> None:
    said = command("nowhere")
    assert said.code == 2 and "--add RESULTS makes one" in said.err


def test_every_point_has_a_name_and_leads_to_its_row() -> None:
    page = render(list(steps(many(30), DEFAULTS)))
    for svg in page.split("<svg")[1:]:
        root = ET.fromstring("<svg" + svg[: svg.index("</svg>")] + "</svg>")
        points = [one for one in root.iter() if one.tag.endswith("}a")]
        assert len(points) == 60
        for point in points:
            assert f'id="{point.attrib["href"][1:]}"' in page
            assert point[0].tag.endswith("}title") and "stm32f407_disco" in (point[0].text or "")


# -- in a browser

LOOK = """
<script>addEventListener("load", () => {
  const said = {};
  const svg = document.querySelector("figure svg"), press = (key) =>
    document.activeElement.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true, cancelable: true}));
  said.stops = svg.querySelectorAll('a[tabindex="0"]').length;
  svg.querySelector('a[tabindex="0"]').focus();
  press("Home"); press("ArrowRight");
  said.focused = document.activeElement.querySelector("title").textContent;
  const target = document.activeElement.getAttribute("href");
  location.hash = target;
  setTimeout(() => {
    said.open = document.querySelector(target + " details").open;
    said.wide = document.documentElement.scrollWidth > innerWidth;
    document.title = JSON.stringify(said);
    document.body.dataset.said = JSON.stringify(said);
  }, 50);
});</script></body>"""


@pytest.mark.skipif(BROWSER is None, reason="needs a browser: apt-get install -y chromium")
def test_a_browser_opens_a_thousand_commits_and_a_keyboard_walks_them(tmp_path: Path) -> None:
    """On a phone's screen: nothing sticks out, a chart is one stop, its arrow keys move, a point opens its row."""
    page = render(list(steps(many(1000), DEFAULTS)))
    (tmp_path / "page.html").write_text(page.replace("</body>", LOOK))
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--window-size=412,900", f"--user-data-dir={tmp_path}/u"]
    shown = (tmp_path / "page.html").as_uri()
    done = subprocess.run(
        [BROWSER, *options, "--virtual-time-budget=20000", "--dump-dom", shown], capture_output=True, text=True
    )
    assert "data-said=" in done.stdout, done.stderr[-2000:]
    said = json.loads(done.stdout.split('data-said="')[1].split('"')[0].replace("&quot;", '"'))
    assert said["stops"] == 1 and said["open"] and not said["wide"]
    assert said["focused"].startswith(name(1)[:10])


@pytest.mark.skipif(BROWSER is None, reason="needs a browser: apt-get install -y chromium")
def test_lines_are_there_to_be_seen(tmp_path: Path) -> None:
    """By their colours in a picture of the page."""
    (tmp_path / "page.html").write_text(render(list(steps(many(40), DEFAULTS))))
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--window-size=1200,1400",
        f"--user-data-dir={tmp_path}/u",
    ]
    picture = tmp_path / "page.png"
    subprocess.run([BROWSER, *options, f"--screenshot={picture}", (tmp_path / "page.html").as_uri()], check=True)
    pixels = np.asarray(Image.open(picture).convert("RGB")).reshape(-1, 3)
    for colour in ("0072b2", "d55e00"):
        assert (pixels == tuple(bytes.fromhex(colour))).all(axis=1).sum() > 50, f"{colour} is not in {picture}"
