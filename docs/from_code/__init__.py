"""Pages of the site that are made of the code when it is built, so that they cannot be out of date.

commands.py   the command line, from the commands themselves    pytest_plugin.py  options and fixtures
keywords.py   Robot Framework's keywords                        schemas.py        run.json and board.toml
rooms.py      the picture of the packages, from the real imports  table.py        a Markdown table
"""

from from_code import commands, keywords, pytest_plugin, schemas

PAGES = {
    "reference/commands.md": commands.page,
    "reference/pytest.md": pytest_plugin.page,
    "reference/keywords.md": keywords.page,
    "reference/run-json.md": schemas.run_json_page,
    "reference/board-toml.md": schemas.board_toml_page,
}
SCHEMAS = {"reference/run.schema.json": schemas.run_json, "reference/board.schema.json": schemas.board_toml}
