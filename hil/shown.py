"""Text from outside, made fit to be shown: names of devices and files, symbols, metadata, what a recording says."""

from __future__ import annotations

import logging
import unicodedata


def shown(text: object, keep: str = "") -> str:
    """Whatever does not print (control characters, escape sequences, odd bytes of file names) as an escape.

    keep: characters that may pass all the same, such as a newline. Bytes are taken for UTF-8. What comes out prints in
    a terminal, in HTML, XML and Markdown alike; their own special characters are theirs to quote.
    """
    said = text.decode("utf-8", "surrogateescape") if isinstance(text, bytes) else str(text)
    if said.isprintable():
        return said
    return "".join(c if _is_fit(c) or c in keep else c.encode("unicode_escape").decode() for c in said)


def markdown(text: object) -> str:
    """As `shown`, for a cell of a Markdown table: nothing in it is Markdown or HTML."""
    return "".join(f"\\{c}" if c in "\\`*_[]<>|#!~&" else c for c in shown(text))


class ShownFormatter(logging.Formatter):
    """Log lines for a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        return shown(super().format(record), keep="\n\t")


def _is_fit(character: str) -> bool:
    return character.isprintable() or unicodedata.category(character) == "Zs"  # spaces of other widths
