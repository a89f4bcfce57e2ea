"""A subject's firmware, and after a change to one of its sources the firmware with that change, in a moment.

CMake makes the sound one. For a mutant only the objects that the changed file goes into are made anew, by the very
commands that made them. Without debugging, and for this computer without optimisation: the arithmetic is the same. A
board's cycles are held against their prediction, which is for optimised code.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from hil.compiler import emit
from hil.compiler.emit import description
from hil.errors import HilError
from hil.firmware.build import Firmware
from hil.firmware.cmake import NATIVE, configure, find_tools
from hil.firmware.stamp import write_hash
from hil.selftest.mutant import StillbornError
from hil.selftest.subjects import Subject

Edit = Callable[[str], str]


class Workshop:
    """One subject's sources and objects in a folder of their own."""

    def __init__(self, subject: Subject, folder: Path) -> None:
        self.subject = subject
        self._preset = subject.board.name if subject.is_on_board else NATIVE
        self._elf_name = "firmware.elf" if subject.is_on_board else "firmware"
        self._source, self._objects, self._elfs = folder / "generated", folder / "objects", folder / "elfs"
        self._elfs.mkdir(parents=True)
        self._made = 0
        self.plan = plan = subject.plan
        emit(subject.graph, plan, subject.board, self._source)
        plan_json: dict[str, Any] = description(subject.graph, plan, self._build_id())
        self._build_sound()
        elf = self._finish(self._objects / self._elf_name)
        self.firmware = Firmware(
            subject.name,
            subject.board,
            self._preset,
            self._source,
            elf,
            plan_json,
            subject.graph,
            given=subject.network,
        )

    def text(self, name: str) -> str:
        """A source as it is without any change; name: from the generated directory."""
        return (self._source / name).read_text()

    def names(self, *patterns: str) -> list[str]:
        """The sources that match."""
        found = {path.relative_to(self._source).as_posix() for p in patterns for path in self._source.glob(p)}
        return sorted(found)

    def changed(self, texts: dict[str, str]) -> Firmware:
        """The firmware with some sources replaced. Raises StillbornError where it does not compile."""
        paths = {self._source / name: text for name, text in texts.items()}
        before = {path: path.read_text() for path in paths}
        for path, text in paths.items():
            path.write_text(text)
        try:
            return replace(self.firmware, elf=self._build_mutant({p for p, text in paths.items() if text != before[p]}))
        except HilError as error:
            raise StillbornError(str(error)) from error
        finally:
            for path, text in before.items():
                path.write_text(text)

    def copy(self) -> Path:
        """The sound ELF, to be written into; its stack usage lies beside it."""
        return self._finish(self.firmware.elf)

    def discard(self, firmware: Firmware) -> None:
        """Remove a mutant's files."""
        if firmware.elf != self.firmware.elf:
            shutil.rmtree(firmware.elf.parent, ignore_errors=True)

    def _build_sound(self) -> None:
        lists = self._source / "CMakeLists.txt"
        text = lists.read_text().replace("-g3", "-g1").replace(" -Werror", "")
        lists.write_text(text if self._preset != NATIVE else re.sub(r"-O[23]\b", "-O0", text))
        tools = find_tools(self._preset)
        self._known = tools.environment(self._elfs)
        configure(self._source, self._preset, {}, self._objects, tools=tools)
        self._run(tools.ninja, "-j", "1")
        commands = self._run(tools.ninja, "-t", "commands", self._elf_name).splitlines()
        objects = {command: re.search(r" -o (\S+\.o\w*) -c ", command) for command in commands}
        self._compile = {match[1]: command for command, match in objects.items() if match}
        self._link = commands[-1]
        self._needs = _dependencies(self._run(tools.ninja, "-t", "deps"), self._objects)

    def _build_mutant(self, paths: set[Path]) -> Path:
        """Compile what the files go into, and link it with the sound rest."""
        link, elf = self._link, self._elfs / f"mutant{self._made}"
        for made, command in self._compile.items():
            if paths & self._needs[made]:
                fresh = self._elfs / Path(made).name
                self._run("sh", "-c", command.replace(f" -o {made}", f" -o {fresh}"))
                link = re.sub(rf"(?<=\s){re.escape(made)}(?=\s)", str(fresh), link)
        self._run("sh", "-c", re.sub(rf"-o {re.escape(self._elf_name)}(?=\s)", f"-o {elf}", link))
        return self._finish(elf)

    def _finish(self, elf: Path) -> Path:
        """The ELF in a folder of its own, with its hash in it and the stack usage beside it."""
        self._made += 1
        place = self._elfs / str(self._made)
        (place / "stack_usage").mkdir(parents=True)
        for i, path in enumerate(sorted(self._objects.rglob("*.su"))):
            shutil.copy(path, place / "stack_usage" / f"{i:03}_{path.name}")
        made = Path(shutil.copy(elf, place / self._elf_name))
        write_hash(made)
        return made

    def _run(self, *command: object) -> str:
        """What a command says that is run where the objects are. Raises HilError where it fails."""
        words = list(map(str, command))
        done = subprocess.run(
            words, cwd=self._objects, env=self._known, capture_output=True, text=True, errors="replace"
        )
        if done.returncode:
            raise HilError((done.stdout + done.stderr).strip()[-2000:])
        return done.stdout

    def _build_id(self) -> str:
        text = (self._source / "model" / "model_config.h").read_text()
        return text.partition('BUILD_ID "')[2].partition('"')[0]


def _dependencies(text: str, folder: Path) -> dict[str, set[Path]]:
    """By object, the files that it was made of, of what `ninja -t deps` says."""
    found: dict[str, set[Path]] = {}
    for block in text.split("\n\n"):
        first, *rest = block.strip().splitlines() or [""]
        found[first.partition(":")[0]] = {(folder / line.strip()).resolve() for line in rest}
    return found
