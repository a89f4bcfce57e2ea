"""What gcc's own coverage says of C that ran on this computer."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

Counts = dict[str, dict[int, int]]  # by file from firmware_src/ on, by line


def counts(folder: Path) -> Counts:
    """Of all programs whose .gcda files lie below a folder."""
    found: Counts = {}
    for data in sorted(folder.rglob("*.gcda")):
        command = ["gcov", "--json-format", "--stdout", str(data)]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
        for document in filter(None, done.stdout.splitlines()):
            for file in json.loads(document)["files"]:
                _, own, name = file["file"].rpartition("firmware_src/")
                lines = found.setdefault(own + name, {})
                for line in file["lines"] if own else ():
                    lines[line["line_number"]] = lines.get(line["line_number"], 0) + line["count"]
    return found


def of_tracefile(text: str) -> Counts:
    """The same of an lcov file."""
    found: Counts = {}
    lines: dict[int, int] = {}
    for record in text.splitlines():
        kind, _, rest = record.partition(":")
        if kind == "SF":
            lines = found.setdefault("firmware_src/" + rest.rpartition("firmware_src/")[2], {})
        elif kind == "DA":
            line, count = rest.split(",")
            lines[int(line)] = int(count)
    return found


def differing(one: Counts, other: Counts) -> list[tuple[str, int]]:
    """The lines that both know and of which one says that they ran, the other that they did not."""
    return [
        (file, line)
        for file in sorted(one.keys() & other.keys())
        for line in sorted(one[file].keys() & other[file].keys())
        if bool(one[file][line]) != bool(other[file][line])
    ]
