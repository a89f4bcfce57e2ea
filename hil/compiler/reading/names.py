"""Names that layers can have in C: identifiers there begin with a layer's name, and the kernels have theirs."""

from __future__ import annotations

import re
from functools import cache

from hil.paths import source_root

# With what the names of constants, rows, memory and steps end, `conv_weight` and the like; a number may follow.
SUFFIXES = (
    "bias", "carry", "chain", "collected", "columns", "conv", "each", "gain", "gates", "gathered", "groups", "layers",
    "multiplier", "narrow", "new_row", "newest", "offset", "one", "part", "piece", "projected", "reader", "repeat",
    "ring", "row_ring", "rows", "scratch", "states", "step", "sums", "table", "tanh", "turns", "u", "w", "weight",
    "wide",
)  # fmt: skip
_FUNCTION, _TYPE, _CONSTANT = r"\b([a-z]\w*)\(", r"^\} (\w+);", r"\b([A-Z][A-Z0-9_]+)\b"


def free_name(wanted: str) -> str:
    """The name, or one like it where the kernels have an identifier that the layer's would be too."""
    return f"{wanted}_layer" if wanted in _taken() else wanted


@cache
def kernel_names() -> frozenset[str]:
    """Functions, types and constants of the kernels' and the application's headers, in small letters."""
    headers = [path for part in ("kernels", "include") for path in (source_root() / "firmware_src" / part).glob("*.h")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in headers)
    patterns = (_FUNCTION, _TYPE, _CONSTANT)
    return frozenset(name.lower() for pattern in patterns for name in re.findall(pattern, text, re.MULTILINE))


@cache
def _taken() -> frozenset[str]:
    """What a layer cannot be called: `conv`, for the kernels have a conv_narrow."""
    end = re.compile(rf"(\w+)_(?:{'|'.join(SUFFIXES)})\d*")
    return frozenset(match[1] for name in kernel_names() if (match := end.fullmatch(name)))
