"""A bundle: what is in it, that it fails the same way elsewhere, and what is said of one that is not sound."""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import own_network
import pytest
from cli import Outcome, hil
from elftools.elf.elffile import ELFFile
from other_user import as_another_user, closed_to_others
from PIL import Image
from stub_firmware import need

from hil import caches, targets
from hil.bench.limits import Limit
from hil.bench.session import Bench
from hil.errors import HilError
from hil.failure import bundle as bundles
from hil.failure.again import _photo, differing, run_again
from hil.failure.bundle import Failure, open_bundle, write_bundle
from hil.failure.leaving import Leaving
from hil.failure.session import Session
from hil.firmware.build import Firmware, build
from hil.firmware.programs import MissingToolError
from hil.reference.photo import from_array, sample_photo
from hil.report.bundle_html import render

TOO_LITTLE = '[default]\n"cycles.total" = 1000\n'


@pytest.fixture(scope="module")
def firmware(tmp_path_factory: pytest.TempPathFactory) -> Firmware:
    try:
        return build("rnnpool_face_m4", "stm32f407_disco", tmp_path_factory.mktemp("firmware") / "out")
    except MissingToolError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def failed_run(firmware: Firmware, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of an image that takes more cycles than it may, on the simulated board."""
    leaving = Leaving(tmp_path_factory.mktemp("failures"))
    with Bench(firmware, Session(targets.create("sim", firmware.board)), {"cycles.total": Limit(1000)}) as bench:
        leaving.of_run(bench, bench.run(from_array(sample_photo(firmware.network.spec))))
    return leaving.left[0]


def crashed(firmware: Firmware, folder: Path, kind: str) -> Path:
    """The bundle of a crash on the simulated board."""
    leaving = Leaving(folder)
    with Bench(firmware, Session(targets.create("sim", firmware.board))) as bench:
        with pytest.raises(HilError) as caught:
            bench.provoke(kind)
        leaving.leave(kind, bench, Failure("error", str(caught.value), "test_it"))
    return leaving.left[0]


@pytest.fixture(scope="module")
def crash(firmware: Firmware, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return crashed(firmware, tmp_path_factory.mktemp("crash"), "null_call")


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """`hil` in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str | Path) -> Outcome:
        return hil(capsys, monkeypatch, *arguments)

    return call


def again(path: Path, **about: object) -> Path:
    """The bundle once more, with other things in its bundle.json."""
    opened = open_bundle(path)
    said = {**opened.about, **about}
    changed = path.with_name(f"changed{bundles.SUFFIX}")
    with zipfile.ZipFile(changed, "w") as archive:
        archive.writestr("bundle.json", json.dumps(said))
        for name, content in opened.members.items():
            archive.writestr(name, content)
    return changed


# -- a run that fails


def test_everything_is_in_it(failed_run: Path) -> None:
    opened = open_bundle(failed_run)
    assert set(opened.members) == set(bundles.NAMES) - {"bundle.json", "network.py"}  # a shipped network's code is ours
    assert opened.failure.kind == "run" and "cycles.total is" in opened.failure.text
    assert len(opened.text("blocks.txt").splitlines()) == 1000 and ".c:" in opened.text("blocks.txt")
    assert opened.json("run.json")["passed"] is False and opened.about["versions"].keys() >= {
        "hil",
        "unicorn",
        "python",
    }


def test_it_fails_the_same_way_in_another_folder(command, failed_run: Path, tmp_path: Path) -> None:
    shutil.copy(failed_run, tmp_path / "taken home.hil.zip")
    said = command("replay", "taken home.hil.zip")
    assert said.code == 1 and "\nthe same failure on sim" in said.out and "limit 1 000" in said.out


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root, to become another user")
@pytest.mark.skipif(bool(closed_to_others()), reason=f"its Python is closed to other users: {closed_to_others()}")
def test_it_fails_the_same_way_for_another_user(firmware: Firmware, public_folder: Path) -> None:
    """Who has none of the first user's files; on the host's own build, whose user need not compile the timing model."""
    native = build("rnnpool_face_m4", "stm32f407_disco", firmware.directory, "native")
    leaving = Leaving(public_folder)
    with Bench(native, Session(targets.create("native", native.board)), {"outputs.score_error": Limit(0)}) as bench:
        leaving.of_run(bench, bench.run(from_array(sample_photo(native.network.spec))))
    code = (
        f"os.chdir({str(public_folder)!r}); from hil.failure.again import run_again; "
        "from hil.failure.bundle import open_bundle; "
        f"print(run_again(open_bundle(Path({leaving.left[0].name!r}))).is_same)"
    )
    assert as_another_user(code, HOME=str(public_folder), TMPDIR=str(public_folder)) == "True\n"


def test_a_network_of_ones_own_travels_with_it(command, tmp_path: Path) -> None:
    """Its code is not on the other computer, where the checkpoint would look for it. The network is a classifier."""
    need("cmake", "cc")
    mine = own_network.checkpoint(tmp_path / "first user's")
    native = build(str(mine), "stm32f407_disco", tmp_path / "first user's/out", "native")
    leaving = Leaving(tmp_path)
    with Bench(
        native, Session(targets.create("native", native.board)), {"logits.distance_to_float": Limit(0)}
    ) as bench:
        leaving.of_run(bench, bench.run(from_array(sample_photo(native.network.spec))))
    shutil.rmtree(tmp_path / "first user's")
    said = command("replay", leaving.left[0])
    assert said.code == 1 and "\nthe same failure on native" in said.out, said.out + said.err
    for name in ("../mine.py", "mine.txt", None):
        with pytest.raises(HilError, match=r"its network's code is called .*, expected NAME\.py"):
            run_again(open_bundle(again(leaving.left[0], network=name)))


def test_another_outcome_is_told(failed_run: Path) -> None:
    opened = open_bundle(failed_run)
    run = opened.json("run.json")
    run["cycles"]["total"] += 1
    members = {**opened.members, "run.json": json.dumps(run).encode()}
    write_bundle(failed_run.with_name("other.hil.zip"), opened.failure, dict(opened.about), members)
    found = run_again(open_bundle(failed_run.with_name("other.hil.zip")))
    assert not found.is_same and found.differences[0].startswith("cycles: ")


def test_a_board_that_is_not_here_is_replaced_by_its_recording(failed_run: Path) -> None:
    found = run_again(open_bundle(again(failed_run, target="serial")))
    assert found.where == "the recording" and found.is_same


def test_hil_run_leaves_one_and_names_it(command, tmp_path: Path, firmware: Firmware) -> None:
    (tmp_path / "limits.toml").write_text(TOO_LITTLE)
    from hil.bench.batch import demo_photo

    demo_photo(tmp_path / "photo.png", "rnnpool_face_m4")
    said = command("run", "rnnpool_face_m4", "photo.png", "--limits", "limits.toml", "--failures", "f", "--out", "o")
    (left,) = (tmp_path / "f").iterdir()
    assert said.code == 1 and f"hil show f/{left.name}" in said.err.replace("\n", "")
    assert open_bundle(left).about["image"] == "photo.png"


# -- a crash


def test_a_crash_has_its_registers_its_memory_and_its_last_blocks(crash: Path, tmp_path: Path) -> None:
    opened = open_bundle(crash)
    state = opened.json("registers.json")
    assert state["registers"]["pc"] == 0 and "null_call" in state["fault"]
    assert "null_call (provoke.c:" in opened.text("blocks.txt").splitlines()[-2]
    (tmp_path / "core").write_bytes(opened.members["core"])
    with (tmp_path / "core").open("rb") as file:
        core = ELFFile(file)
        note, *memories = core.iter_segments()
        assert core["e_type"] == "ET_CORE" and note["p_type"] == "PT_NOTE"
        assert [memory["p_vaddr"] for memory in memories] == [0x2000_0000, 0x1000_0000]
        sp, start = state["registers"]["sp"], 12 + 8 + 72
        assert int.from_bytes(note.data()[start + 4 * 13 :][:4], "little") == sp


@pytest.mark.parametrize("kind", ["stack_overflow", "endless_loop"])
def test_a_crash_comes_again(firmware: Firmware, tmp_path: Path, kind: str) -> None:
    found = run_again(open_bundle(crashed(firmware, tmp_path, kind)))
    assert found.is_same and kind in str(found.error)


def test_another_crash_is_told(crash: Path) -> None:
    opened = open_bundle(crash)
    session = gzip.decompress(opened.members["session.txt.gz"]).decode()
    lines = session.splitlines()
    last = max(i for i, line in enumerate(lines) if " < " in line)
    lines[last] = lines[last][:-2] + ("00" if lines[last][-2:] != "00" else "01")
    members = {**opened.members, "session.txt.gz": gzip.compress("\n".join(lines).encode())}
    write_bundle(crash.with_name("other.hil.zip"), opened.failure, dict(opened.about), members)
    found = run_again(open_bundle(crash.with_name("other.hil.zip")))
    assert not found.is_same and "other bytes than then" in str(found.error)


@pytest.mark.skipif(shutil.which("gdb-multiarch") is None, reason="needs gdb: apt-get install -y gdb-multiarch")
def test_gdb_reads_the_core_file(command, crash: Path, tmp_path: Path) -> None:
    command("show", crash, "--extract", "it", "--html", "page.html")
    arguments = ["-batch", "-nx", "-ex", "info registers sp", "-ex", "p boots", "it/firmware.elf", "it/core"]
    said = subprocess.run(["gdb-multiarch", *arguments], cwd=tmp_path, capture_output=True, text=True)
    sp = open_bundle(crash).json("registers.json")["registers"]["sp"]
    assert f"{sp:#x}" in said.stdout, said.stdout + said.stderr


def test_a_page_shows_it(command, crash: Path, tmp_path: Path) -> None:
    said = command("show", crash, "--html", "page.html")
    page = (tmp_path / "page.html").read_text()
    assert said.code == 0 and "null_call" in said.out
    assert "null_call (provoke.c:" in page and "basic blocks" in page and "test_it" in page
    assert "http://" not in page and "https://" not in page


def test_a_run_that_says_less_differs(failed_run: Path) -> None:
    now = open_bundle(failed_run).json("run.json")
    now["cycles"]["source"] = "timing-model"
    then = {**now, "cycles": {"source": "timing-model"}, "classification": {}}
    assert list(differing(now, now)) == []
    assert any(said.startswith("cycles: None then") for said in differing(then, now))


def test_a_page_shows_a_run_that_says_less_of_its_measurements(failed_run: Path) -> None:
    opened = open_bundle(failed_run)
    run = opened.json("run.json")
    run["measurements"] = [{k: v for k, v in m.items() if k != "verdict"} for m in run["measurements"]]
    members = {**opened.members, "run.json": json.dumps(run).encode()}
    assert "cycles.total" in render(replace(opened, members=members))


# -- whose it was


def test_no_path_of_this_computer_is_in_it(failed_run: Path, crash: Path) -> None:
    own = {str(Path.home()), os.getcwd(), str(failed_run.parent.parent), str(caches.root())} - {"/", ""}
    for path in (failed_run, crash):
        opened = open_bundle(path)
        for name, content in {**opened.members, "about": json.dumps(dict(opened.about)).encode()}.items():
            plain = gzip.decompress(content) if name.endswith(".gz") else content
            assert [text for text in own if f"{text}/".encode() in plain] == [], name


# -- what is not sound


def test_a_bundle_from_a_newer_version_says_which(command, crash: Path) -> None:
    newer = again(crash, version=2, versions={"hil": "9.9"})
    for verb in ("replay", "show"):
        said = command(verb, newer)
        assert said.code == 2 and "of version 2 (by 9.9), this hil reads 1" in said.err


def test_what_is_no_bundle_is_told(command, crash: Path, tmp_path: Path) -> None:
    whole = crash.read_bytes()
    (tmp_path / "cut.hil.zip").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.hil.zip").write_text("no")
    with zipfile.ZipFile(tmp_path / "other.hil.zip", "w") as archive:
        archive.writestr("a.txt", "a")
    for name in ("cut", "text", "other", "missing"):
        said = command("show", f"{name}.hil.zip")
        assert said.code == 2 and f"{name}.hil.zip" in said.err and said.err.count("\n") == 1, said


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs /dev/zero")
@pytest.mark.parametrize("verb", ["show", "replay", "debug"])
def test_a_device_is_no_bundle(command, verb: str) -> None:
    """Its zeros, read to their end, would fill the memory."""
    said = command(verb, "/dev/zero")
    assert said.code == 2 and said.err.startswith("error: ") and said.err.count("\n") == 1


@pytest.mark.parametrize("name", ["bundle.json", "model.safetensors"])
def test_a_member_whose_compression_is_damaged_is_told(command, crash: Path, tmp_path: Path, name: str) -> None:
    content = bytearray(crash.read_bytes())
    with zipfile.ZipFile(crash) as archive:
        at = archive.getinfo(name).header_offset + 30 + len(name)
    content[at] ^= 0x06  # the first block's kind
    (tmp_path / "damaged.hil.zip").write_bytes(content)
    said = command("show", "damaged.hil.zip")
    assert said.code == 2 and "damaged.hil.zip is no bundle, or damaged" in said.err and said.err.count("\n") == 1


@pytest.mark.parametrize("about", [{"failure": {"kind": "run"}}, {"failure": 3}, {"versions": None, "board": None}])
def test_a_bundle_that_lacks_something_says_what(command, crash: Path, about: dict[str, object]) -> None:
    said = command("replay", again(crash, **about))
    assert said.code == 2 and said.err.startswith("error: ") and said.err.count("\n") == 1


def test_one_that_unpacks_to_too_much_is_refused(command, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.hil.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bundle.json", "{}")
        with archive.open("core", "w") as file:
            for _ in range(66):
                file.write(bytes(1 << 20))
    said = command("show", "bomb.hil.zip")
    assert said.code == 2 and "unpacked it is over 64 MB" in said.err


def test_members_outside_are_not_unpacked(crash: Path, tmp_path: Path) -> None:
    shutil.copy(crash, tmp_path / "evil.hil.zip")
    with zipfile.ZipFile(tmp_path / "evil.hil.zip", "a") as archive:
        archive.writestr("../evil", "x")
    assert "../evil" not in open_bundle(tmp_path / "evil.hil.zip").members


def test_what_is_too_much_is_left_out_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundles, "MOST_BYTES", 100)
    members = {"core": bytes(90), "run.json": b"{}", "log.txt": bytes(50)}
    facts = {"target": "sim", "board": "b", "model": "m", "preset": "p", "versions": {}}
    write_bundle(tmp_path / "a.hil.zip", Failure("test", "x"), facts, members)
    opened = open_bundle(tmp_path / "a.hil.zip")
    assert set(opened.members) == {"run.json", "log.txt"} and opened.about["left_out"] == ["core"]


def test_a_session_that_is_too_long_forgets_its_beginning(monkeypatch: pytest.MonkeyPatch, firmware: Firmware) -> None:
    monkeypatch.setattr("hil.failure.session.MOST_BYTES", 20_000)
    session = Session(targets.create("sim", firmware.board))
    with Bench(firmware, session) as bench:
        assert session.is_whole
        bench.infer(sample_photo(firmware.network.spec))
    assert not session.is_whole and sum(len(event.data) for event in session.events) <= 20_000


@pytest.mark.parametrize(
    ("member", "at", "value", "said"),
    [
        ("bundle.json", ("board",), "../../outside", "board"),
        ("bundle.json", ("versions",), [], "versions"),
        ("bundle.json", ("failure", "text"), {"a": 1}, "failure.text"),
        ("registers.json", ("registers",), {"pc": "x"}, "registers"),
        ("registers.json", ("cycle",), 10**25, "expected form"),
        ("plan.json", ("tensors",), 3, "tensors"),
        ("plan.json", ("input", "width"), -1, "input.width"),
        ("limits.json", ("layers.differing",), {"most": 1}, "most"),
        ("limits.json", ("layers.differing",), {"value": 1, "LEAST": 2}, "LEAST"),
    ],
)
def test_a_lie_in_a_bundle_is_named_with_its_place(
    crash: Path, tmp_path: Path, member: str, at: tuple[str, ...], value: object, said: str
) -> None:
    lying = tmp_path / "lying.hil.zip"
    with zipfile.ZipFile(crash) as sound, zipfile.ZipFile(lying, "w") as archive:
        members = {name: sound.read(name) for name in sound.namelist()}
        found = json.loads(members.get(member, b"{}"))
        place = found
        for key in at[:-1]:
            place = place[key]
        place[at[-1]] = value
        for name, content in (members | {member: json.dumps(found).encode()}).items():
            archive.writestr(name, content)
    with pytest.raises(HilError, match=rf"is damaged: its {member} .*{said}") as caught:
        open_bundle(lying).json(member)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["eps", "tiff"])
def test_a_bundles_picture_is_a_png_whatever_else_pillow_could_read(kind: str) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (2, 2)).save(picture, kind)
    bundle = SimpleNamespace(path="b.hil.zip", members={"image.png": picture.getvalue()}, about={})
    with pytest.raises(HilError, match="its image.png is no picture"):
        _photo(bundle)  # type: ignore[arg-type]
