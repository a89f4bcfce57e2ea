"""run.json and board.toml: their JSON schemas, and the same as tables."""

from __future__ import annotations

import json
from typing import Any

from from_code.table import table
from hil.bench import schema as run_schema
from hil.board import schema as board_schema

RUN_HEAD = """# run.json

`hil run --json FILE` and `hil demo` write one object for one image and a list for several. The schema for validators:
[run.schema.json](run.schema.json). A field that a target cannot know is `null`, never 0. Cycles are counted at
`cycles.clock_hz`; RAM and flash are in bytes; boxes are in pixels of the image as sent.

```python
import json

run = json.load(open("build/demo/run.json"))
print(run["passed"], run["bit_exact"], run["cycles"]["total"], run["ram"]["total_bytes"])
```

"""
BOARD_HEAD = """# board.toml

One file describes a board; [My board](../my-board.md) explains how it is written. The schema for editors:
[board.schema.json](board.schema.json), which `hil new-board` writes beside the file as well.

"""


def run_json() -> str:
    """reference/run.schema.json."""
    return json.dumps(run_schema.json_schema(), indent=1) + "\n"


def board_toml() -> str:
    """reference/board.schema.json."""
    return json.dumps(board_schema.json_schema(), indent=1) + "\n"


def run_json_page() -> str:
    """reference/run-json.md."""
    return RUN_HEAD + tables(run_schema.json_schema(), "RunFile")


def board_toml_page() -> str:
    """reference/board-toml.md."""
    return BOARD_HEAD + tables(board_schema.json_schema(), "BoardTable")


def tables(schema: dict[str, Any], first: str) -> str:
    """A section for each object of a schema, the outermost one first."""
    definitions = {name: one for name, one in schema["$defs"].items() if "properties" in one}
    names = [first, *(name for name in definitions if name != first)]
    return "\n".join(_section(name, definitions[name]) for name in names)


def _section(name: str, one: dict[str, Any]) -> str:
    required = one.get("required", [])
    rows = (
        (f"`{field}`", _type(kind), "yes" if field in required else _default(kind), kind.get("description", ""))
        for field, kind in one["properties"].items()
    )
    return f"## {name}\n\n{' '.join(one.get('description', '').split())}\n\n" + table(
        ("field", "type", "required", "what it is"), rows
    )


def _default(kind: dict[str, Any]) -> str:
    return f"no: `{json.dumps(kind['default'])}`" if "default" in kind else "no"


def _type(kind: dict[str, Any]) -> str:
    """A type in words, with its bounds; a link where it is an object with a section of its own."""
    if "$ref" in kind:
        name = kind["$ref"].rpartition("/")[2]
        return "text" if name == "Verdict" else f"[{name}](#{name.lower()})"
    if "anyOf" in kind:
        return " or ".join(_type(one) for one in kind["anyOf"])
    said = kind.get("type", "any")
    if said == "array":
        return f"list of {_type(kind['items'])}" if isinstance(kind.get("items"), dict) else "list"
    if said == "object":
        inner = kind.get("additionalProperties")
        return f"table of {_type(inner)}" if isinstance(inner, dict) and inner else "table"
    words = {"string": "text", "number": "number", "integer": "integer", "boolean": "true or false"}
    bounds = [f"{sign} {kind[key]:,}" for key, sign in (("minimum", "from"), ("maximum", "to")) if key in kind]
    return " ".join([words.get(said, said), *bounds])
