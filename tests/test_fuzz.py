"""The fuzzers of tests/fuzz build and run for a while, reach the link's code, and find a length that is not bounded."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from stub_firmware import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "tests" / "fuzz"))
import fuzz  # noqa: E402

pytestmark = pytest.mark.skipif(
    fuzz.clang() is None, reason="needs clang with libFuzzer: apt-get install clang-14 libclang-rt-14-dev"
)
RUNS = 20_000


@pytest.mark.parametrize("name", fuzz.SOURCES)
def test_nothing_on_the_line_kills_the_firmware(name: str, tmp_path: Path) -> None:
    corpus = fuzz.HERE / "corpus" / name
    before = sorted(corpus.iterdir())
    executed, found = fuzz.run(fuzz.build(name, tmp_path), corpus, RUNS, 1, tmp_path / "found")
    assert found == "" and executed >= RUNS
    assert sorted(corpus.iterdir()) == before, "what was found on the way lies elsewhere"


def test_the_corpus_reaches_the_links_code(tmp_path: Path) -> None:
    import shutil

    if not (shutil.which("llvm-cov") or shutil.which("llvm-cov-14")):
        pytest.skip("needs llvm-cov: apt-get install llvm-14")
    assert fuzz.coverage(tmp_path)["all"] >= 95


def test_a_length_that_is_not_bounded_is_found(tmp_path: Path) -> None:
    source = (fuzz.FIRMWARE / "app" / "frame.c").read_text()
    bound = "if (decoder->filled == sizeof decoder->bytes)"
    assert bound in source
    (tmp_path / "frame.c").write_text(source.replace(bound, "if (decoder->is_spoiled)"))
    program = fuzz.build("frames", tmp_path, replaced={"frame.c": tmp_path / "frame.c"})
    _, found = fuzz.run(program, fuzz.HERE / "corpus" / "frames", RUNS, 1, tmp_path / "found")
    assert "AddressSanitizer: heap-buffer-overflow" in found or "runtime error: index" in found
