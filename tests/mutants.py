"""Mutants of files, the same for the same dice: bytes changed, or one value of a JSON document that is not what it was.

A mutant of a bundle or a compressed recording is a mutant of what is in it: its checksums are right.
"""

from __future__ import annotations

import gzip
import io
import json
import random
import warnings
import zipfile
from collections.abc import Callable
from typing import Any

WORDS = (
    b"nan", b"inf", b"-1", b"9" * 400, b"null", b"[" * 2000, b'"', b"\0", b"\xff", b"1e999", b"\n", b"{}", b"true",
    b"../../x", b"\x1b[31m", b" ", b"=", b"0x", b"\r\n", b"\xed\xa0\x80",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 1, 2, 1 << 31, 1 << 64, 10**30, 0.5, -0.0, 1e308, float("nan"), float("inf"), "", "x", "-",
    "../../../x", "/dev/zero", "\x1b[2J", "\ud800", "a\nb", "[/b]", "\0.py", "9" * 5000, "x" * 100_000, [], {}, [[]],
    [None], {"": None}, [0] * 1000, ["a", 1],
)  # fmt: skip
Mutate = Callable[[bytes, random.Random], bytes]


def changed_bytes(content: bytes, dice: random.Random) -> bytes:
    """One to three places flipped, cut, doubled, filled, or with a word put in; now and then cut off."""
    for _ in range(dice.randint(1, 3)):
        at, size = dice.randrange(len(content) + 1), dice.choice((1, 1, 4, 40))
        here, rest = content[at : at + size], content[at + size :]
        content = content[:at] + dice.choice((
            bytes(byte ^ 1 << dice.randrange(8) for byte in here) + rest,
            rest,
            here + here + rest,
            bytes([dice.choice((0, 0xFF))] * len(here)) + rest,
            dice.choice(WORDS) + here + rest,
            here + rest,
            b"" if dice.random() < 0.1 else here + rest,
        ))  # fmt: skip
    return content


def changed_value(content: bytes, dice: random.Random) -> bytes:
    """A JSON document with one value replaced, left out, doubled or put under another name; bytes where it is none."""
    try:
        document = json.loads(content)
    except ValueError:
        return changed_bytes(content, dice)
    places = list(_places(document))
    if not places or dice.random() < 0.1:
        return _dumped(dice.choice(VALUES))
    holder, key = dice.choice(places)
    what = dice.randrange(4) if isinstance(holder, dict) else dice.randrange(3)
    if what < 2:
        holder[key] = dice.choice(VALUES)
        if what and isinstance(holder, list):
            holder += holder[:1] * dice.choice((1, 3, 300))
    elif what == 2:
        del holder[key]
    else:
        holder[dice.choice(("", "x", "\x1b[1m", key + " ", key.upper()))] = holder.pop(key)
    return _dumped(document)


def _places(value: Any) -> Any:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield value, key
        yield from _places(inner)


def _dumped(value: Any) -> bytes:
    return json.dumps(value).encode()


def text(content: bytes, dice: random.Random) -> bytes:
    """A text of lines, whose first may be JSON: lines changed, doubled, left out, exchanged, or bytes."""
    lines = content.split(b"\n")
    at, other = dice.randrange(len(lines)), dice.randrange(len(lines))
    what = dice.randrange(6)
    if what == 0:
        lines[at] = b"".join(dice.choices(WORDS, k=2))
    elif what == 1:
        lines[at : at + 1] = [lines[at]] * dice.choice((2, 50))
    elif what == 2:
        del lines[at : at + dice.choice((1, 9))]
    elif what == 3:
        lines[at], lines[other] = lines[other], lines[at]
    elif what == 4:
        lines[0] = changed_value(lines[0], dice)
    else:
        return changed_bytes(content, dice)
    return b"\n".join(lines)


def json_lines(content: bytes, dice: random.Random) -> bytes:
    """A line's value changed, or as text."""
    lines = content.split(b"\n")
    at = dice.randrange(len(lines))
    if dice.random() < 0.3:
        return text(content, dice)
    lines[at] = changed_value(lines[at], dice)
    return b"\n".join(lines)


def document(content: bytes, dice: random.Random) -> bytes:
    """A JSON document; bytes now and then."""
    return (changed_bytes if dice.random() < 0.2 else changed_value)(content, dice)


def safetensors(content: bytes, dice: random.Random) -> bytes:
    """The header or its metadata, which is JSON in JSON; bytes now and then."""
    size = int.from_bytes(content[:8], "little")
    header, rest = content[8 : 8 + size], content[8 + size :]
    what = dice.randrange(4)
    if what == 0:
        return changed_bytes(content[: 8 + size], dice) + rest
    if what == 1:
        changed = changed_value(header, dice)
    else:
        said = json.loads(header)
        about = said.get("__metadata__") or {"": "{}"}
        key = dice.choice(sorted(about))
        about[key] = changed_value(about[key].encode(), dice).decode(errors="replace")
        changed = _dumped(said)
    return len(changed).to_bytes(8, "little") + changed + rest


def compressed(inner: Mutate) -> Mutate:
    """By gzip; what is in it, or the whole file's bytes."""

    def mutate(content: bytes, dice: random.Random) -> bytes:
        if dice.random() < 0.2:
            return changed_bytes(content, dice)
        return gzip.compress(inner(gzip.decompress(content), dice), mtime=0)

    return mutate


BY_SUFFIX: dict[str, Mutate] = {
    "json": document, "gz": compressed(text), "toml": text, "txt": text, "safetensors": safetensors, "py": text,
}  # fmt: skip


def archive(content: bytes, dice: random.Random) -> bytes:
    """A zip file: a member changed, left out, doubled or called otherwise; or the whole file's bytes."""
    if dice.random() < 0.2:
        return changed_bytes(content, dice)
    with zipfile.ZipFile(io.BytesIO(content)) as old:
        members = [(name, old.read(name)) for name in old.namelist()]
    at = dice.randrange(len(members))
    name, inner = members[at]
    what = dice.random()
    if what < 0.8:
        members[at] = name, BY_SUFFIX.get(name.rpartition(".")[2], changed_bytes)(inner, dice)
    elif what < 0.9:
        del members[at]
    elif what < 0.95:
        members.append((name, changed_bytes(inner, dice)))
    else:
        members[at] = dice.choice(("../x", "/x", name.upper(), "run.json", "core")), inner
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a name that comes twice
        for name, inner in members:
            new.writestr(name, inner)
    return made.getvalue()
