"""CMake runs on a generated directory, and what its complaints mean for the person who started it."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hil.errors import HilError
from hil.firmware.programs import CMAKE, NINJA, environment, flags
from hil.firmware.toolchain import STAMP, Toolchain, find_host_toolchain, find_toolchain

NATIVE = "native"
APT = "apt-get install -y"
ARTEFACTS = ("firmware.elf", "firmware", "firmware.map")


@dataclass(frozen=True)
class Tools:
    """What a build of a preset runs."""

    cmake: Path
    ninja: Path
    toolchain: Toolchain
    preset: str

    @property
    def options(self) -> list[str]:
        """What CMake has to be told: the compiler, and where Ninja is."""
        compiler = (
            [f"-DHIL_COMPILER={self.toolchain.program}"] if self.preset != NATIVE else self.toolchain.host_options
        )
        return [f"-DCMAKE_MAKE_PROGRAM={self.ninja}", *compiler]

    def environment(self, scratch: Path) -> dict[str, str]:
        """The environment of its programs; scratch: a folder for what zig keeps between its calls."""
        known = environment(self.cmake, self.ninja)
        caches = {"ZIG_LOCAL_CACHE_DIR": str(scratch / "zig")}
        if not known.get("HOME") and "ZIG_GLOBAL_CACHE_DIR" not in known:
            caches["ZIG_GLOBAL_CACHE_DIR"] = str(scratch / "zig")
        return known | caches


def find_tools(preset: str, toolchain: str | None = None) -> Tools:
    """What building a preset needs; toolchain: the compiler, as --toolchain names it.

    Raises MissingToolError, with the command that installs it, for the first program that is missing.
    """
    compiler = find_host_toolchain(toolchain) if preset == NATIVE else find_toolchain(toolchain)
    purpose = f"building for {preset}"
    return Tools(CMAKE.find(purpose), NINJA.find(purpose), compiler, preset)


def output_folder(directory: Path, preset: str, kernels: str, family: str = "gcc") -> Path:
    """Where the firmware of a generated directory lies, built for a preset with "fast" or "portable" kernels.

    family: the compiler's; gcc's lies under the preset's plain name.
    """
    names = [preset, *(name for name in (kernels, family) if name not in ("fast", "gcc"))]
    return directory / "out" / "-".join(names)


def compile_preset(
    source: Path, preset: str, plan: dict[str, Any], scratch: Path, kernels: str = "fast", tools: Tools | None = None
) -> None:
    """Build a preset of a generated directory into its output_folder, all or nothing.

    CMake works in `scratch`, an empty folder that the caller removes; only the firmware, its map, the stack usage
    files and the compiler's name move into place. plan: plan.json, for naming the buffers that are too large. tools:
    find_tools' without. Raises HilError, explained, if the firmware does not fit the board's memories or the sources
    do not compile.
    """
    tools = tools or find_tools(preset)
    binary = scratch / "cmake"
    configure(source, preset, plan, binary, kernels, tools)
    run_cmake([str(tools.cmake), "--build", str(binary)], source, tools.environment(scratch), preset, plan)
    (binary / STAMP).write_text(f"{tools.toolchain.compiler}\n", encoding="utf-8")
    _install(source, binary, scratch / "out", output_folder(source, preset, kernels, tools.toolchain.family))


def configure(
    source: Path, preset: str, plan: dict[str, Any], binary: Path, kernels: str = "fast", tools: Tools | None = None
) -> None:
    """Have CMake make ready to build a generated directory in the folder `binary`. Raises HilError, explained."""
    tools = tools or find_tools(preset)
    options = [*tools.options, f"-DHIL_KERNELS={kernels}"]
    command = [str(tools.cmake), "-S", str(source), "--preset", preset, "-B", str(binary), *options]
    run_cmake(command, source, tools.environment(binary.parent), preset, plan)


def run_cmake(command: list[str], folder: Path, known: dict[str, str], preset: str, plan: dict[str, Any]) -> None:
    """Run one command of a build; known: its environment. Raises HilError, explained, where it fails."""
    done = subprocess.run(command, cwd=folder, env=known, capture_output=True, text=True, errors="replace")
    if done.returncode:
        raise HilError(explain(done.stdout + done.stderr, preset, plan))


def _install(source: Path, binary: Path, staging: Path, destination: Path) -> None:
    """Move what a build made to its place in one rename. The stack usage files then name sources from `source` on."""
    staging.mkdir()
    for name in (*ARTEFACTS, STAMP):
        if (binary / name).exists():
            shutil.copy2(binary / name, staging / name)
    if not any((staging / name).exists() for name in ("firmware.elf", "firmware")):
        raise HilError("the build made no firmware: CMakeLists.txt must put firmware.elf or firmware at its top")
    (staging / "stack_usage").mkdir()
    for i, path in enumerate(sorted(binary.rglob("*.su"))):
        usage = path.read_text(encoding="utf-8", errors="replace").replace(f"{source.as_posix()}/", "")
        (staging / "stack_usage" / f"{i:03}_{path.name}").write_text(usage, encoding="utf-8")
    if destination.exists():
        shutil.rmtree(destination)
    destination.parent.mkdir(parents=True, exist_ok=True)
    staging.rename(destination)


def explain(log: str, preset: str, plan: dict[str, Any]) -> str:
    """The message a failed build deserves: what did not fit, or is missing, else the first error of the compiler."""
    overflows = re.findall(r"region [`'](\w+)'(?::)? overflowed by (\d+) bytes", log)
    if overflows:
        return _overflow_message(overflows, preset, plan)
    if preset == NATIVE and re.search(
        r"cannot find -l(c|m|gcc)\b|fatal error: \S+\.h: No such|'\S+\.h' file not found", log
    ):
        return f"the C library for {preset} is missing: {APT} libc6-dev"
    if re.search(r"-fuse-ld=lld|unable to execute command: .*ld\.lld", log):
        return f"the firmware does not build for {preset}: clang finds no lld beside it: {APT} lld of the same version"
    return f"the firmware does not build for {preset}: {_first_error(log)}{_flags()}"


def _first_error(log: str) -> str:
    """The compiler's or linker's first complaint, else what CMake says, which is a paragraph, in one line."""
    said = re.search(r"^.*(\berror: |undefined reference|undefined symbol).*$", log, re.MULTILINE)
    if said:
        return said[0].strip()
    block = re.search(r"^CMake Error[^\n]*\n((?:[ \t]+[^\n]*\n|\n)+)", log, re.MULTILINE)
    if block and block[1].strip():
        return " ".join(block[1].split())
    return (log.strip().splitlines() or ["cmake said nothing"])[-1].strip()


def _flags() -> str:
    """The flags in the environment, which may be meant for another compiler."""
    found = [f"{name}={value!r}" for name, value in flags().items() if value]
    return f" (with {', '.join(found)} from the environment: unset it if it is not meant for this)" if found else ""


def _overflow_message(overflows: list[tuple[str, str]], preset: str, plan: dict[str, Any]) -> str:
    """Names the memory, the bytes too many, and the buffers that would have to shrink."""
    model = plan.get("model", "the network")
    memories = ", ".join(f"{int(count)} bytes too many in {region}" for region, count in overflows)
    places = {"ccm"} if all("ccm" in region.lower() for region, _ in overflows) else {"sram", "ccm"}
    if all("flash" in region.lower() for region, _ in overflows):
        return f"{model} does not fit {preset}: {memories} (weights take {plan.get('weights_bytes')} bytes)"
    buffers = [buffer for buffer in plan.get("buffers", []) if buffer["place"] in places]
    largest = sorted(buffers, key=lambda buffer: -buffer["bytes"])[:3]
    listed = ", ".join(f"{buffer['name']} ({buffer['bytes']} bytes)" for buffer in largest)
    return f"{model} does not fit {preset}: {memories}; its largest buffers are {listed}: take a larger board"
