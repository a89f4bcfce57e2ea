"""The pytest plugin's reference: options and fixtures, as the plugin declares them."""

from __future__ import annotations

import inspect
from typing import Any

from from_code.table import table
from hil import pytest_plugin


class _Declared:
    """Stands in for pytest's parser and keeps what is declared."""

    def __init__(self) -> None:
        self.options: dict[str, dict[str, Any]] = {}
        self.settings: dict[str, str] = {}

    def getgroup(self, *_: str) -> _Declared:
        return self

    def addoption(self, name: str, **kind: Any) -> None:
        self.options[name] = kind

    def addini(self, name: str, help: str, **_: Any) -> None:
        self.settings[name] = help


def declared() -> _Declared:
    """What pytest_addoption declares."""
    found = _Declared()
    pytest_plugin.pytest_addoption(found)  # type: ignore[arg-type]
    return found


def fixtures() -> dict[str, tuple[str, str]]:
    """Scope and docstring of each fixture, by its name."""
    found = {}
    for name, value in vars(pytest_plugin).items():
        marker = getattr(value, "_fixture_function_marker", None) or getattr(value, "_pytestfixturefunction", None)
        if marker is not None:
            function = getattr(value, "_get_wrapped_function", lambda value=value: value.__wrapped__)()
            found[marker.name or name] = (str(marker.scope), inspect.getdoc(function) or "")
    return found


def page() -> str:
    """reference/pytest.md."""
    options = table(
        ("option", "setting", "what it says"),
        (
            (f"`{name}{' ' + kind['metavar'] if kind.get('metavar') else ''}`", f"`{_setting(name)}`", _help(kind))
            for name, kind in declared().options.items()
        ),
    )
    scopes = table(
        ("fixture", "lives for", "what it is"),
        (
            (f"`{name}`", "a test" if scope == "function" else f"a {scope}", doc)
            for name, (scope, doc) in fixtures().items()
        ),
    )
    return (
        "# pytest options and fixtures\n\nThis page is made of the plugin's own declarations; "
        "[Test with pytest](../pytest.md) says how they are used.\n\n"
        f"## Options\n\n{options}\n## Fixtures\n\n{scopes}"
    )


def _setting(option: str) -> str:
    name = option.lstrip("-").replace("-", "_")
    return name if name in declared().settings else "-"


def _help(kind: dict[str, Any]) -> str:
    return str(kind["help"]).partition(" (ini:")[0]
