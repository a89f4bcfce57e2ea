"""The command line's reference: every command with its arguments and options."""

from __future__ import annotations

import html
import inspect
from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from from_code.table import table
from hil import cli

HEAD = """# Commands

This page is made of the commands themselves; `hil COMMAND --help` says the same.

"""


def commands() -> dict[str, Any]:
    """Every command by what is typed for it, such as `hil import onnx`."""
    return dict(_below("hil", get_command(cli.app)))


def _below(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    children = getattr(command, "commands", None)
    if children is None:
        yield name, command
        return
    for child, below in children.items():
        yield from _below(f"{name} {child}", below)


def page() -> str:
    """reference/commands.md."""
    codes = (inspect.getdoc(cli) or "").partition("Exit codes:")[2].strip()
    listed = table(
        ("command", "what it does"),
        ((f"[`{name}`](#{name.replace(' ', '-')})", _plain(command.help)) for name, command in commands().items()),
    )
    sections = "\n".join(_section(name, command) for name, command in commands().items())
    return f"{HEAD}Exit codes: {' '.join(codes.split())}\n\n{listed}\n{sections}"


def _section(name: str, command: Any) -> str:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option" and not p.hidden]
    usage = " ".join([name, *(_argument(a) for a in arguments), *(["[OPTION]..."] if options else [])])
    text = f"## {name}\n\n{_plain(command.help)}\n\n```text\n{usage}\n```\n\n"
    if arguments:
        rows = ((f"`{_metavar(a).strip('[].')}`", _plain(a.help)) for a in arguments)
        text += table(("argument", "what it is"), rows) + "\n"
    if options:
        cells = ((f"`{_spelt(o)}`", _plain(o.help), _default(o), _variable(o)) for o in options)
        text += table(("option", "what it does", "without it", "variable"), cells)
    return text


def _argument(argument: Any) -> str:
    spelt = _metavar(argument).strip("[].") + ("..." if argument.nargs == -1 else "")
    return spelt if argument.required else f"[{spelt}]"


def _metavar(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper())


def _spelt(option: Any) -> str:
    value = "" if option.is_flag else f" {_metavar(option)}"
    return ", ".join([*option.opts, *option.secondary_opts]) + value


def _default(option: Any) -> str:
    said = option.show_default if isinstance(option.show_default, str) else option.default
    return "" if said in (None, False, "") or callable(said) else f"`{said}`" if said is not True else "on"


def _variable(option: Any) -> str:
    return f"`{option.envvar}`" if option.envvar else ""


def _plain(text: str | None) -> str:
    return html.escape(" ".join((text or "").split()), quote=False)
