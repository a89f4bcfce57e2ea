"""A bundle run again: on its own target where that works here, on its recording elsewhere."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from hil import board as boards
from hil import targets
from hil.bench import replay
from hil.bench.limits import Limit, Limits
from hil.bench.replay import RecordedFirmware
from hil.bench.run import Subject
from hil.bench.session import Bench
from hil.board import Board
from hil.errors import HilError
from hil.failure.bundle import Bundle
from hil.failure.post_mortem import redrive
from hil.failure.stripped import without_paths
from hil.firmware.model import operating_point
from hil.firmware.planned import planned
from hil.reference import weights
from hil.reference.photo import Photo
from hil.targets.base import Target
from hil.targets.recording import Recording

Step = Callable[[str, float], None]


@dataclass(frozen=True)
class Again:
    """What came of it. subject: the run, where there was one; error: what it ended with; is_same: it failed so then.

    differences: in what this run is another one; where: what it ran on.
    """

    where: str
    subject: Subject | None
    error: str | None
    is_same: bool
    differences: tuple[str, ...] = ()


def run_again(
    bundle: Bundle, step: Step = lambda what, done: None, make: Callable[[Board], Target] | None = None
) -> Again:
    """Run what failed again. make: another target than the bundle's, such as one under a debugger.

    Raises HilError where the bundle lacks what that takes.
    """
    with _unpacked(bundle) as folder:
        firmware = _firmware(bundle, folder, step)
        target = _target(bundle, firmware.board) if make is None else make(firmware.board)
        if target is None:
            return _on_the_recording(bundle, folder, step)
        photo = _photo(bundle)
        if photo is not None:
            step(f"running {photo.name} again", 0)
            found = _image_again(bundle, firmware, target, photo)
            if found.is_same or "session.txt.gz" not in bundle.members:
                return found
        fresh = _target(bundle, firmware.board) if make is None else make(firmware.board)
        if fresh is None or bundle.failure.kind != "error":
            return found if photo is not None else _on_the_recording(bundle, folder, step)
        step("driving the session again", 0)
        return _session_again(bundle, firmware, fresh, folder, is_same_clock=make is None)


@contextmanager
def _unpacked(bundle: Bundle) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="hil-bundle-") as name:
        folder = Path(name)
        for member, content in bundle.members.items():
            (folder / (_network(bundle) if member == "network.py" else member)).write_bytes(content)
        (folder / "firmware.elf").chmod(0o700) if "firmware.elf" in bundle.members else None
        yield folder


def _network(bundle: Bundle) -> str:
    """The name under which the checkpoint looks for its network's code. Raises HilError where it is none."""
    name = bundle.about.get("network")
    if not isinstance(name, str) or Path(name).name != name or not name.endswith(".py") or not name.isprintable():
        raise HilError(f"{bundle.path} is damaged: its network's code is called {name!r}, expected NAME.py")
    return name


def _firmware(bundle: Bundle, folder: Path, step: Step) -> RecordedFirmware:
    """The very ELF of the bundle, with the network's integer reference."""
    for name in ("firmware.elf", "model.safetensors", "plan.json"):
        if name not in bundle.members:
            raise HilError(f"{bundle.path} lacks {name} and cannot run again: hil show shows its contents")
    if not bundle.about.get("firmware"):
        raise HilError(f"{bundle.path} does not say which firmware it had: hil show shows its contents")
    step("reading the model", 0)
    said, model = bundle.about, folder / "model.safetensors"
    board = _board(bundle, folder)
    graph, _ = planned(str(model), board)
    return RecordedFirmware(
        str(said["model"]), board, said["preset"], folder, folder / "firmware.elf", bundle.json("plan.json"), graph,
        kernels=said.get("kernels", "fast"), operating_point=operating_point(str(model)), recorded=said["firmware"],
        given=weights.load(model),
    )  # fmt: skip


def _board(bundle: Bundle, folder: Path) -> Board:
    """The board by its name; one that is not known here, as the bundle describes it."""
    name = str(bundle.about["board"])
    if name in boards.names():
        return boards.load(name)
    own = folder / name
    own.mkdir()
    (own / "board.toml").write_bytes(bundle.members.get("board.toml", b""))
    return boards.load(str(own))


def _target(bundle: Bundle, board: Board) -> Target | None:
    """The bundle's target; None where it is a real board or cannot be had here."""
    name, timing = bundle.about["target"], bundle.about.get("timing")
    if name not in targets.NAMES or name == "serial":
        return None
    try:
        return targets.create(name, board, **({"timing": timing} if name == "sim" and timing else {}))
    except HilError:
        return None


def _photo(bundle: Bundle) -> Photo | None:
    if "image.png" not in bundle.members:
        return None
    try:
        pixels = np.array(Image.open(BytesIO(bundle.members["image.png"]), formats=("PNG",)))
    except Exception as error:  # Pillow raises a dozen types for damaged files
        raise HilError(f"{bundle.path} is damaged: its image.png is no picture ({error})") from error
    name, said = bundle.about.get("image"), bundle.about.get("sha256")
    whole = np.ascontiguousarray(pixels if pixels.ndim == 3 else pixels[:, :, None])
    return Photo(whole, Path(str(name)) if name else None, str(said))


def _limits(bundle: Bundle) -> Limits:
    return {name: Limit(**limit) for name, limit in (bundle.json("limits.json") or {}).items()}


def _image_again(bundle: Bundle, firmware: RecordedFirmware, target: Target, photo: Photo) -> Again:
    failure, then = bundle.failure, bundle.json("run.json")
    try:
        with Bench(firmware, target, _limits(bundle)) as bench:
            run = bench.run(photo)
    except HilError as error:
        said = without_paths(str(error))
        same = failure.kind == "error" and said == failure.text
        return Again(target.name, None, said, same, () if same else (f"then: {failure.text}", f"now: {said}"))
    subject = Subject(run, photo.pixels, firmware.plan, firmware.board)
    if failure.kind == "error":
        return Again(target.name, subject, None, False, (f"then: {failure.text}", "now: the image ran to its end"))
    differences = tuple(differing(then, run.to_json())) if then else ()
    return Again(target.name, subject, None, not differences, differences)


def differing(then: dict[str, Any], now: dict[str, Any]) -> Iterator[str]:
    """In what two run.json objects of one failure differ: what the device computed, and on a clock of its own, when."""
    for key in (
        "bit_exact",
        "first_divergent_layer",
        "divergence",
        "detections",
        "digests",
        "passed",
    ):
        if then.get(key) != now.get(key):
            yield f"{key} differs"
    if _logits(then) != _logits(now):
        yield "classification differs"
    failing = [sorted(m["name"] for m in one["measurements"] if m["ok"] is False) for one in (then, now)]
    if failing[0] != failing[1]:
        yield f"what fails: {', '.join(failing[0]) or 'nothing'} then, {', '.join(failing[1]) or 'nothing'} now"
    total = then["cycles"].get("total")  # which a run.json need not have
    if now["cycles"]["source"] == "timing-model" and total != now["cycles"]["total"]:
        yield f"cycles: {total} then, {now['cycles']['total']} now"


def _logits(run: dict[str, Any]) -> list[Any]:
    """A classifier's, as the device has them; the float model's depend on the computer."""
    said = run.get("classification") or {}
    return list(said.get("logits") or [])  # which a run.json need not have


def _session_again(
    bundle: Bundle, firmware: RecordedFirmware, target: Target, folder: Path, is_same_clock: bool
) -> Again:
    events = Recording.load(folder / "session.txt.gz").events
    try:
        with target:
            redrive(events, firmware.elf, is_same_clock)(target)
    except HilError as error:
        return Again(target.name, None, without_paths(str(error)), False)
    return Again(
        target.name, None, bundle.failure.text, True
    )  # the board said all it said then: the host fails as then


def _on_the_recording(bundle: Bundle, folder: Path, step: Step) -> Again:
    """No target: the host's side on what the board said then."""
    if "session.txt.gz" not in bundle.members:
        raise HilError(
            f"{bundle.path} has no recording and target {bundle.about['target']} is not here: hil show has the rest"
        )
    failure, then = bundle.failure, bundle.json("run.json")
    try:
        subjects = replay.replay(folder / "session.txt.gz", str(folder / "model.safetensors"), step, _limits(bundle))
    except HilError as error:
        said = without_paths(str(error))
        return Again("the recording", None, said, failure.kind == "error" and said == failure.text)
    found = subjects[-1]
    differences = tuple(differing(then, found.run.to_json())) if then else ()
    return Again("the recording", found, None, not differences and failure.kind != "error", differences)
