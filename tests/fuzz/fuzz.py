"""Fuzzes the firmware's receive side with clang's libFuzzer, AddressSanitizer and UndefinedBehaviourSanitizer.

    python tests/fuzz/fuzz.py --runs 1000000            both targets, from the corpus in the repository
    python tests/fuzz/fuzz.py --coverage                what of the link's code the corpus reaches
    python tests/fuzz/fuzz.py --grow --runs 1000000     and keep what reached more

Exit code 1 where an input was found that the firmware does not survive; it lies in build/fuzz then.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
FIRMWARE, STUB = REPOSITORY / "firmware_src", REPOSITORY / "tests" / "firmware" / "stub_model"
BOARD = REPOSITORY / "firmware_src" / "port" / "native"
SOURCES = {
    "frames": ["app/frame.c"],
    "link": ["app/frame.c", "app/link.c", "app/image.c", "app/tap.c"],
}
LINK_CODE = {"frame.c", "link.c", "image.c", "tap.c"}
SANITISED = ("-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all")
COVERED = ("-fsanitize=fuzzer", "-fprofile-instr-generate", "-fcoverage-mapping")


def clang() -> str | None:
    """The compiler, where it comes with libFuzzer."""
    for name in ("clang", "clang-14"):
        found = shutil.which(name)
        if found:
            said = subprocess.run(
                [found, "-print-file-name=libclang_rt.fuzzer-x86_64.a"], capture_output=True, text=True
            )
            runtime = subprocess.run([found, "-print-resource-dir"], capture_output=True, text=True).stdout.strip()
            if Path(said.stdout.strip()).is_file() or list(Path(runtime).glob("lib/**/libclang_rt.fuzzer*.a")):
                return found
    return None


def build(name: str, folder: Path, flags: tuple[str, ...] = SANITISED, replaced: dict[str, Path] | None = None) -> Path:
    """A fuzzer. replaced: sources that are taken from elsewhere, by name, such as mutants."""
    compiler = clang()
    assert compiler is not None, "libFuzzer is missing: apt-get install clang-14 libclang-rt-14-dev"
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / f"fuzz_{name}{'_covered' if flags is COVERED else ''}"
    sources = [(replaced or {}).get(Path(source).name, FIRMWARE / source) for source in SOURCES[name]]
    own = [HERE / f"fuzz_{name}.c", *([] if name == "frames" else [HERE / "port.c", STUB / "model.c"])]
    command = [compiler, "-O1", "-g", "-std=c11", "-Wall", "-Wextra", "-DHIL_NATIVE", *flags, "-o", str(program)]
    command += [f"-I{path}" for path in (HERE, FIRMWARE / "include", FIRMWARE / "app", STUB, BOARD)]
    done = subprocess.run([*command, *map(str, [*sources, *own])], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return program


def run(program: Path, corpus: Path, runs: int, seed: int, folder: Path) -> tuple[int, str]:
    """Run a fuzzer. Returns how many inputs were executed, and what it found, empty where nothing.

    folder: for what kills it; what reached something new goes to folder/grown, never into the corpus.
    """
    (folder / "grown").mkdir(parents=True, exist_ok=True)
    command = [str(program), f"-runs={runs}", f"-seed={seed}", "-max_len=1024", "-timeout=20"]
    # On Linux a peak of memory survives exec: a large parent's would count as the fuzzer's. The firmware needs none.
    command += ["-rss_limit_mb=0", "-malloc_limit_mb=64"]
    command += [f"-artifact_prefix={folder}/", str(folder / "grown"), str(corpus)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    executed = re.findall(r"(?:^#|Done )(\d+)", done.stderr, re.MULTILINE)
    is_stopped = "run interrupted" in done.stderr  # by us: no input's fault
    return (int(executed[-1]) if executed else 0), done.stderr if done.returncode and not is_stopped else ""


def coverage(folder: Path) -> dict[str, float]:
    """Per cent of the lines of each source of the link that the corpus executes, and of all together."""
    profiles = []
    programs = []
    for name in SOURCES:
        program, raw = build(name, folder, COVERED), folder / f"{name}.profraw"
        command = [str(program), "-runs=0", str(HERE / "corpus" / name)]
        subprocess.run(command, env={"LLVM_PROFILE_FILE": str(raw)}, capture_output=True, check=True)
        profiles.append(str(raw))
        programs.append(program)
    merged = folder / "merged.profdata"
    subprocess.run([_tool("llvm-profdata"), "merge", "-o", str(merged), *profiles], check=True)
    command = [_tool("llvm-cov"), "export", "-summary-only", f"-instr-profile={merged}", str(programs[0])]
    said = subprocess.run([*command, f"-object={programs[1]}"], capture_output=True, text=True, check=True).stdout
    lines = {Path(f["filename"]).name: f["summary"]["lines"] for f in json.loads(said)["data"][0]["files"]}
    of_link = {name: count for name, count in lines.items() if name in LINK_CODE}
    found = {name: 100 * count["covered"] / count["count"] for name, count in sorted(of_link.items())}
    covered, total = (sum(count[key] for count in of_link.values()) for key in ("covered", "count"))
    return found | {"all": 100 * covered / total}


def _tool(name: str) -> str:
    found = shutil.which(name) or shutil.which(f"{name}-14")
    assert found is not None, f"{name} is missing: apt-get install llvm-14"
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--coverage", action="store_true")
    parser.add_argument("--grow", action="store_true")
    chosen = parser.parse_args()
    folder = REPOSITORY / "build" / "fuzz"
    if chosen.coverage:
        for name, share in coverage(folder).items():
            print(f"{name}: {share:.1f} % of lines")
        return 0
    failed = False
    for name in SOURCES:
        program, corpus = build(name, folder), HERE / "corpus" / name
        executed, found = run(program, corpus, chosen.runs, chosen.seed, folder / name)
        end = ", and an input that kills it" if found else ", then stopped" if executed < chosen.runs else ""
        print(f"{name}: {executed} executions{end}")
        if found:
            print(found[-4000:])
        failed = failed or bool(found)
        if chosen.grow:
            grown = folder / name / "grown"
            subprocess.run([str(program), "-merge=1", str(corpus), str(grown)], capture_output=True, check=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
