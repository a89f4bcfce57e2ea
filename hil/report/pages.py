"""The templates of all pages, and what holds for each: everything is escaped, and what has no value is an error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jinja2
from markupsafe import Markup

from hil.shown import shown


def template(name: str, **filters: Callable[..., Any]) -> jinja2.Template:
    """One of templates/, with filters of its own by their names."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("hil.report"), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, finalize=as_text,
    )  # fmt: skip
    environment.filters |= filters
    return environment.get_template(name)


def as_text(value: Any) -> Any:
    """What a template shows: a text from wherever it comes with escapes for what does not print."""
    return value if isinstance(value, Markup) or not isinstance(value, str) else shown(value, keep="\n\t")
