"""Robot Framework's keywords, as libdoc finds them."""

from __future__ import annotations

import html

from robot.libdocpkg import LibraryDocumentation

from from_code.table import table


def page() -> str:
    """reference/keywords.md."""
    library = LibraryDocumentation("hil.robot.HilLibrary")
    rows = (
        (
            f"**{keyword.name}**",
            ", ".join(f"`{argument}`" for argument in keyword.args),
            html.escape(keyword.doc, quote=False).replace("``", "`"),
        )
        for keyword in library.keywords
    )
    (created,) = library.inits
    return (
        "# Robot keywords\n\nThis page is made of what `libdoc` finds; [Test with Robot Framework](../robot.md) "
        f"says how they are used.\n\nThe library takes {', '.join(f'`{argument}`' for argument in created.args)}.\n\n"
        + table(("keyword", "arguments", "what it does"), rows)
    )
