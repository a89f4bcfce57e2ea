"""Coverage as a page of its own: a table of files, and each file's lines, those that never ran marked."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path

from hil.measure.coverage.covered import Coverage, Covered
from hil.measure.coverage.tracefile import Share, edge_share, line_share, total

_STYLE = """
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse } th, td { padding: .2rem .8rem; text-align: right }
th:first-child { text-align: left }
tbody tr { border-top: 1px solid #8886 } pre { overflow-x: auto; line-height: 1.35; font-size: 13px }
pre span { display: block } .no { background: #e5534b40 } .half { background: #d2992240 } .yes { background: #3fb95026 }
b { display: inline-block; width: 7rem; font-weight: normal; opacity: .7 }
"""


def page(found: Coverage, sources: Path) -> str:
    """The page. sources: the folder that firmware_src lies in; a file that is not there has no listing."""
    files = sorted(found.items())
    rows = "".join(_row(file, covered) for file, covered in files)
    listings = "".join(_listing(file, covered, sources) for file, covered in files)
    edges = sum((edge_share(covered) for covered in found.values()), Share(0, 0))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Coverage of the firmware</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>\n'
        f"<h1>Coverage of the firmware</h1><p>Lines that ran: {_words(total(found))}. Branches: {_words(edges)}.</p>\n"
        '<table><thead><tr><th scope="col">file</th><th scope="col">lines</th><th scope="col">branches</th></tr>'
        f"</thead><tbody>{rows}</tbody></table>\n{listings}</body></html>\n"
    )


def _row(file: str, covered: Covered) -> str:
    link = f'<a href="#{escape(file)}">{escape(file)}</a>'
    cells = "".join(f"<td>{_words(share)}</td>" for share in (line_share(covered), edge_share(covered)))
    return f'<tr><th scope="row">{link}</th>{cells}</tr>'


def _words(share: Share) -> str:
    return f"{share.percent:.1f} % ({share.covered} of {share.total})" if share.total else "none"


def _listing(file: str, covered: Covered, sources: Path) -> str:
    try:
        lines = (sources / file).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    text = "".join(_lines(lines, covered))
    return (
        f'<h2 id="{escape(file)}">{escape(file)}</h2>\n<details><summary>lines</summary><pre>{text}</pre></details>\n'
    )


def _lines(lines: list[str], covered: Covered) -> Iterator[str]:
    """Each line with its number and what is known of it in words, for those who do not see colours."""
    missed = {line for (line, _, _), count in covered.edges.items() if not count}
    for number, line in enumerate(lines, 1):
        kind, word = "", ""
        if number in covered.lines:
            kind, word = ("yes", "") if covered.lines[number] else ("no", "never")
            if covered.lines[number] and number in missed:
                kind, word = "half", "one way"
        yield f'<span class="{kind}"><b>{number:5} {word}</b>{escape(line)}</span>'
