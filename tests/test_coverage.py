"""Coverage of the firmware: what ran on the simulated board, as lines and edges, against gcc's own."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import gcov
import pytest
from board_programs import COMPILER, DISCO, FLAGS, SOURCES, need_compiler
from cli import hil
from compilers import needs
from stub_firmware import need

from hil.firmware.build import NATIVE, build
from hil.firmware.model import model_spec
from hil.link import Client
from hil.measure.coverage.branches import as_branch
from hil.measure.coverage.covered import coverage
from hil.measure.coverage.gather import CoverageError, check, covering
from hil.measure.coverage.page import page
from hil.measure.coverage.tracefile import total, tracefile
from hil.paths import source_root
from hil.reference.photo import sample_photo
from hil.targets.image import load
from hil.targets.native import NativeTarget
from hil.targets.sim import SimBoard, SimTarget
from hil.targets.sim.call import call, start_up
from hil.targets.sim.core.blocks import decode
from hil.targets.sim.ran import VARIABLE
from hil.timing.model import ModelledCycles
from hil.timing.profile.profiler import Profiler

pytest_plugins = ["pytester"]
FILE = "firmware_src/sample.c"
MODEL = "rnnpool_face_m4"
# lines of the real firmware of which the two may say different things, by their text
EXPLAINED = {
    "decoder->left--;": "of a block that comes in two pieces, and where a line's pieces end is the port's",
    "counted.damaged++;": "added as a condition's 0 or 1, without a branch",
    "}": "the end of a function that the compiler gave no code of its own",
    "frame_span_t body = {0};  // an object of no bytes may have no address either": "zeroed where it is read first",
    "memcpy(layer[-1].carry, piece + turn->keep, turn->carry);": "its arguments are worked out ahead of the condition",
    "const uint8_t *piece = first->piece + k * chain->again;": "worked out where it is read, under the condition",
    "for (uint32_t k = 0; k < second->kernel; k++) {": "k = 0 is done ahead of the condition around the loop",
}


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with firmware_src/sample.c and an ELF of it for the board."""
    need_compiler()
    folder = tmp_path_factory.mktemp("sample")
    (folder / "firmware_src").mkdir()
    shutil.copy(SOURCES / "coverage_sample.c", folder / FILE)
    command = [
        COMPILER,
        *FLAGS,
        "-Og",
        "-nostartfiles",
        "-Wl,--defsym=STACK_BYTES=1024",
        "-T",
        str(SOURCES / "board.ld"),
    ]
    subprocess.run([*command, "-o", "sample.elf", str(SOURCES / "startup.c"), FILE], cwd=folder, check=True)
    return folder


def run_sample(sample: Path, first: int, last: int) -> SimBoard:
    board = SimBoard(DISCO, load(sample / "sample.elf", DISCO), ModelledCycles("fast"))
    start_up(board)
    call(board, "sum_of_classes", (first, last))
    return board


def lines_of(text: str) -> dict[str, int]:
    """Counts by the lines' text."""
    source = (SOURCES / "coverage_sample.c").read_text().splitlines()
    return {source[line - 1].strip(): count for line, count in gcov.of_tracefile(text)[FILE].items()}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where boards leave what ran on them."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / "left"))
    return tmp_path / "left"


def test_only_lines_that_ran_are_covered(sample: Path, folder: Path) -> None:
    run_sample(sample, 0, 10).leave()
    found = lines_of(tracefile(coverage(folder), sample))
    assert found["sink = 0u;"] == found["sink = value;"] == 1
    assert found["sink = value * 3u;"] == found["sink = sum + value;"] == 0


def test_boards_add_up(sample: Path, folder: Path) -> None:
    for first in (0, 20, 77):
        run_sample(sample, first, first + 10).leave()
    found = lines_of(tracefile(coverage(folder), sample))
    assert found["sink = value * 3u;"] == 1 and found["sink = 0u;"] == 3


def test_a_board_is_counted_once(sample: Path, folder: Path) -> None:
    board = run_sample(sample, 0, 3)
    board.leave()
    board.leave()
    assert len(list(folder.glob("*.json"))) == 1, "once"


def test_a_reset_and_a_profile_lose_nothing(sample: Path, folder: Path) -> None:
    board = run_sample(sample, 77, 78)
    model = board.core.model
    assert isinstance(model, ModelledCycles)
    board.reset()
    start_up(board)
    profiler = Profiler(model.engine)
    call(board, "sum_of_classes", (200, 201))
    assert profiler.take().cycles
    model.engine.forget_results()
    board.leave()
    found = lines_of(tracefile(coverage(folder), sample))
    assert found["sink = value * 3u;"] == found["sink = sum + value;"] == 1


def test_edges_tell_the_ways_of_a_condition(sample: Path, folder: Path) -> None:
    run_sample(sample, 0, 5).leave()
    edges = coverage(folder)[FILE].edges
    line = (SOURCES / "coverage_sample.c").read_text().splitlines().index("    if (value == 77u) {") + 1
    ways = [count for (at, _, _), count in edges.items() if at == line]
    assert sorted(ways) == [0, 1]


def test_it_agrees_with_gcc_line_by_line(sample: Path, folder: Path) -> None:
    for first, last in ((0, 5), (70, 80), (90, 130)):
        native = sample / f"native{first}"
        native.mkdir()
        main = f"unsigned sum_of_classes(unsigned, unsigned); int main(void) {{ sum_of_classes({first}, {last}); }}"
        (native / "main.c").write_text(main)
        command = ["gcc", "--coverage", "-O1", "-o", f"{native.name}/program", f"{native.name}/main.c", FILE]
        subprocess.run(command, cwd=sample, check=True)
        subprocess.run([native / "program"], cwd=sample, check=True)
        run_sample(sample, first, last).leave()
        found = gcov.of_tracefile(tracefile(coverage(folder), sample))
        expected = gcov.counts(native)
        assert gcov.differing(found, expected) == []
        assert len(found[FILE].keys() & expected[FILE].keys()) > 15
        shutil.rmtree(folder)


@needs("stm32f407_disco")
@needs(NATIVE)
def test_the_firmware_agrees_with_gcc_except_where_it_is_explained(tmp_path: Path, folder: Path) -> None:
    need("arm-none-eabi-gcc", "cmake", "cc")
    firmware = build(MODEL, DISCO.name, tmp_path / "firmware", kernels="portable")
    pixels = sample_photo(model_spec(MODEL))
    with SimTarget(DISCO) as target:
        target.boot(firmware.elf)
        Client(target).infer(pixels, digests=True)
    options = ["-DHIL_NATIVE_FLAGS=--coverage", "-DHIL_KERNELS=portable", "-B", str(tmp_path / "native")]
    for command in (["--preset", "native", *options], ["--build", str(tmp_path / "native")]):
        subprocess.run(["cmake", *command], cwd=firmware.directory, check=True, capture_output=True)
    native = NativeTarget(DISCO)
    native.boot(tmp_path / "native" / "firmware")
    Client(native).infer(pixels, digests=True)
    process = native._process
    assert process is not None and process.stdin is not None
    process.stdin.close()
    assert process.wait() == 0, "the counts are written at the end of its input"
    native.close()
    found, expected = gcov.of_tracefile(tracefile(coverage(folder), source_root())), gcov.counts(tmp_path / "native")
    own = {file: lines for file, lines in found.items() if "/port/" not in file}
    assert sum(len(lines.keys() & expected.get(file, {}).keys()) for file, lines in own.items()) > 500
    for file, line in gcov.differing(own, expected):
        assert (source_root() / file).read_text().splitlines()[line - 1].strip() in EXPLAINED, (file, line)


def test_genhtml_reads_it(sample: Path, folder: Path, tmp_path: Path) -> None:
    if shutil.which("genhtml") is None:
        pytest.skip("needs genhtml: apt-get install -y lcov")
    run_sample(sample, 0, 10).leave()
    (tmp_path / "trace.info").write_text(tracefile(coverage(folder), sample))
    command = ["genhtml", "--branch-coverage", "-o", "page", "trace.info"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "sample.c" in (tmp_path / "page" / "firmware_src" / "index.html").read_text()


def test_the_page_says_of_each_line_whether_it_ran(sample: Path, folder: Path) -> None:
    run_sample(sample, 0, 10).leave()
    text = page(coverage(folder), sample)
    lines = {line.split("</b>")[1].strip(): line for part in text.splitlines() for line in part.split("<span ")[1:]}
    found = {text.removesuffix("</span>"): line for text, line in lines.items()}
    assert 'class="no"' in found["sink = value * 3u;"] and " never</b>" in found["sink = value * 3u;"]
    assert 'class="yes"' in found["sink = 0u;"] and 'class="half"' in found["if (value == 77u) {"]
    assert "Lines that ran: " in text and "&lt;stdint.h&gt;" in text


def test_nothing_is_left_unless_it_is_asked_for(sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    run_sample(sample, 0, 3).leave()
    assert list(tmp_path.iterdir()) == []


def test_a_limit_that_is_not_kept_names_the_least_covered_file(sample: Path, folder: Path) -> None:
    run_sample(sample, 0, 10).leave()
    found = coverage(folder)
    check(found, total(found).percent)
    with pytest.raises(
        CoverageError, match=r"% of the firmware's lines ran .*the limit is 99.5 %: least in firmware_src"
    ):
        check(found, 99.5)


def test_a_limit_needs_a_file(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = hil(capsys, monkeypatch, "run", MODEL, "image.png", "--coverage-limit", "90")
    assert outcome.code == 2 and "add --coverage FILE" in outcome.err


def test_a_run_that_covers_nothing_says_so(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="nothing was covered"), covering(tmp_path / "x.info", None):
        pass
    assert not (tmp_path / "x.info").exists()


def test_a_damaged_file_is_named(sample: Path, folder: Path) -> None:
    run_sample(sample, 0, 3).leave()
    path = next(folder.glob("*.json"))
    path.write_text("[[1, 2]]")
    with pytest.raises(Exception, match="does not say what ran on a board"):
        coverage(folder)


@pytest.mark.parametrize(
    ("code", "target"),
    [
        (b"\x01\xd0", 0x1006),  # beq
        (b"\xfd\xe7", None),  # b: not conditional
        (b"\x10\xb1", 0x1008),  # cbz r0
        (b"\x3f\xf4\xfe\xaf", 0x1000),  # beq.w to itself
    ],
)
def test_conditional_branches_are_told_by_their_code(code: bytes, target: int | None) -> None:
    branch = as_branch(next(iter(decode(0x1000, code))))
    assert (branch.target if branch else None) == target


SESSION = """
from pathlib import Path
from hil.board import load
from hil.targets.sim import SimTarget
from hil.targets.sim.call import call

def run(first, last):
    with SimTarget(load("stm32f407_disco")) as target:
        target.boot(ELF)
        call(target.sim, "sum_of_classes", (first, last))

def test_one():
    run(0, 5)

def test_two():
    run(77, 78)
"""


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_a_session_covers_what_its_tests_ran(sample: Path, pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    pytester.makepyfile(SESSION.replace("ELF", f"Path({str(sample / 'sample.elf')!r})"))
    result = pytester.runpytest_subprocess("--hil-coverage", "trace.info", *workers)
    assert result.ret == 0
    found = lines_of((pytester.path / "trace.info").read_text())
    assert found["sink = value * 3u;"] == found["sink = 0u;"] == 1
    result.stdout.fnmatch_lines(["coverage: * % of the firmware's lines ran (* of *): trace.info"])


def test_a_session_fails_below_its_limit(sample: Path, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(SESSION.replace("ELF", f"Path({str(sample / 'sample.elf')!r})"))
    result = pytester.runpytest_subprocess("--hil-coverage", "t.info", "--hil-coverage-limit", "99", "-k", "one")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["coverage: *the limit is 99 %: least in firmware_src/sample.c*"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--hil-coverage-limit", "90"), "needs --hil-coverage FILE"),
        (("--hil-coverage", "f", "--hil-coverage-limit", "x"), "0 to 100"),
    ],
)
def test_bad_options_are_named(pytester: pytest.Pytester, options: tuple[str, ...], message: str) -> None:
    result = pytester.runpytest_subprocess(*options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{message}*"])
