"""CMake runs on a generated directory, and what its complaints mean for the person who started it."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hil.errors import HilError

ARTEFACTS = ("firmware.elf", "firmware", "firmware.map")
APT = "apt-get install -y"


@dataclass(frozen=True)
class Tool:
    """A program that a build needs, and the Debian packages that bring it."""

    program: str
    packages: str

    @property
    def is_installed(self) -> bool:
        return shutil.which(self.program) is not None

    @property
    def install_command(self) -> str:
        return f"{APT} {self.packages}"


CROSS_COMPILER = Tool("arm-none-eabi-gcc", "gcc-arm-none-eabi libnewlib-arm-none-eabi")
HOST_COMPILER = Tool("cc", "gcc libc6-dev")
CMAKE = Tool("cmake", "cmake")
NINJA = Tool("ninja", "ninja-build")


class MissingToolError(HilError):
    """A program that a build needs is not installed; the message has the command that installs it."""


def tools(preset: str) -> tuple[Tool, ...]:
    """What building a preset needs."""
    return (HOST_COMPILER if preset == "native" else CROSS_COMPILER, CMAKE, NINJA)


def check_tools(preset: str) -> None:
    """Raise MissingToolError, with the command that installs it, for the first tool that building a preset lacks."""
    for tool in tools(preset):
        if not tool.is_installed:
            raise MissingToolError(
                f"building for {preset} needs {tool.program}, which is missing: {tool.install_command}"
            )


def output_folder(directory: Path, preset: str, kernels: str) -> Path:
    """Where the firmware of a generated directory lies, built for a preset with "fast" or "portable" kernels."""
    return directory / "out" / (preset if kernels == "fast" else f"{preset}-{kernels}")


def compile_preset(source: Path, preset: str, plan: dict[str, Any], scratch: Path, kernels: str = "fast") -> None:
    """Build a preset of a generated directory into its output_folder, all or nothing.

    CMake works in `scratch`, an empty folder that the caller removes; only the firmware, its map and the stack usage
    files move into place. plan: plan.json, for naming the buffers that are too large. Raises HilError, explained, if
    the firmware does not fit the board's memories or the sources do not compile.
    """
    binary = scratch / "cmake"
    configure(source, preset, plan, binary, kernels)
    _run(["cmake", "--build", str(binary)], source, preset, plan)
    _install(binary, scratch / "out", output_folder(source, preset, kernels))


def configure(source: Path, preset: str, plan: dict[str, Any], binary: Path, kernels: str = "fast") -> None:
    """Have CMake make ready to build a generated directory in the folder `binary`. Raises HilError, explained."""
    options = [f"-DHIL_KERNELS={kernels}"]
    _run(["cmake", "-S", str(source), "--preset", preset, "-B", str(binary), *options], source, preset, plan)


def _run(command: list[str], source: Path, preset: str, plan: dict[str, Any]) -> None:
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, errors="replace")
    if done.returncode:
        raise HilError(explain(done.stdout + done.stderr, preset, plan))


def _install(binary: Path, staging: Path, destination: Path) -> None:
    """Move what a build made to its place in one rename."""
    staging.mkdir()
    for name in ARTEFACTS:
        if (binary / name).exists():
            shutil.copy2(binary / name, staging / name)
    if not any((staging / name).exists() for name in ("firmware.elf", "firmware")):
        raise HilError("the build made no firmware: CMakeLists.txt must put firmware.elf or firmware at its top")
    (staging / "stack_usage").mkdir()
    for i, path in enumerate(sorted(binary.rglob("*.su"))):
        shutil.copy2(path, staging / "stack_usage" / f"{i:03}_{path.name}")
    if destination.exists():
        shutil.rmtree(destination)
    destination.parent.mkdir(parents=True, exist_ok=True)
    staging.rename(destination)


def explain(log: str, preset: str, plan: dict[str, Any]) -> str:
    """The message a failed build deserves: what did not fit, or is missing, else the first error of the compiler."""
    overflows = re.findall(r"region [`'](\w+)' overflowed by (\d+) bytes", log)
    if overflows:
        return _overflow_message(overflows, preset, plan)
    if re.search(r"cannot find -l(c|m|gcc|nosys|c_nano)\b|nano\.specs|fatal error: (stdint|string|math)\.h", log):
        return f"the C library for {preset} is missing: {APT} {tools(preset)[0].packages}"
    errors = [line.strip() for line in log.splitlines() if re.search(r"\berror:|CMake Error|FAILED:|undefined", line)]
    first = errors[0] if errors else (log.strip().splitlines() or ["cmake said nothing"])[-1]
    return f"the firmware does not build for {preset}: {first}"


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
