"""What a project has beside its code says the same as the code: versions, packages, checks."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest
from doc_blocks import REPOSITORY

import hil

yaml = pytest.importorskip("yaml", reason="needs PyYAML, which mkdocs brings: pip install 'rnnpool-hil[docs]'")

MAKEFILE = (REPOSITORY / "Makefile").read_text()
EXTRAS = re.compile(r"rnnpool-hil\[([a-z,]+)\]")
FORMS = sorted((REPOSITORY / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))


def test_the_citation_is_of_this_version() -> None:
    cited = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text())
    top = re.search(r"^## (\S+) \((\S+)\)", (REPOSITORY / "CHANGELOG.md").read_text(), re.M)
    assert top and (cited["version"], str(cited["date-released"])) == (top[1], top[2])
    assert cited["version"] == hil.__version__
    assert "2002.11921" in cited["references"][0]["identifiers"][0]["value"]


def test_the_container_has_what_make_installs() -> None:
    dockerfile = (REPOSITORY / ".devcontainer" / "Dockerfile").read_text()
    packages = re.search(r"^PACKAGES := (.*)$", MAKEFILE, re.M)
    torch = re.search(r"^TORCH  := (.*)$", MAKEFILE, re.M)
    assert packages and torch
    assert [name for name in packages[1].split() if not re.search(rf"\s{name}\s", dockerfile)] == []
    assert torch[1] in dockerfile
    container = json.loads((REPOSITORY / ".devcontainer" / "devcontainer.json").read_text())
    assert (REPOSITORY / ".devcontainer" / container["build"]["dockerfile"]).is_file()


@pytest.mark.parametrize("form", FORMS, ids=lambda path: path.stem)
def test_a_form_has_what_it_asks(form: Path) -> None:
    content = yaml.safe_load(form.read_text())
    if form.stem != "config":
        assert content["name"] and content["description"]
        assert all(part["attributes"]["label"] for part in content["body"])


def test_pre_commit_checks_what_lint_checks() -> None:
    config = yaml.safe_load((REPOSITORY / ".pre-commit-config.yaml").read_text())
    lint = re.search(r"^lint: docs\n((?:\t.*\n)+)", MAKEFILE, re.M)
    assert lint
    checked = {hook["entry"].split()[0] for repository in config["repos"] for hook in repository["hooks"]}
    assert checked == set(re.findall(r"\$\(BIN\)/([\w-]+)", lint[1]))
    extras = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["optional-dependencies"]["dev"]
    assert {"codespell", "mypy", "ruff", "import-linter", "pre-commit"} <= {
        re.split(r"[>=\[]", one)[0] for one in extras
    }


def test_editors_are_told_the_line_length_of_ruff() -> None:
    ruff = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["ruff"]
    assert f"max_line_length = {ruff['line-length']}" in (REPOSITORY / ".editorconfig").read_text()


PAGES_APART = [  # of the site's own pages, `make docs` checks the links
    path
    for folder in (".", ".github", "hil", "platforms", "firmware_src", "robot_tests", "tests")
    for path in sorted((REPOSITORY / folder).glob("*.md" if folder == "." else "**/*.md"))
]


@pytest.mark.parametrize("page", PAGES_APART, ids=lambda path: path.name)
def test_links_of_pages_beside_the_site_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_a_newcomer_to_the_repository_is_led_to_the_site() -> None:
    community = {"CONTRIBUTING.md", "CODE_OF_CONDUCT.md", "SECURITY.md", "PULL_REQUEST_TEMPLATE.md"}
    assert community <= {page.name for page in PAGES_APART}


def test_extras_that_our_files_install_are_there() -> None:
    extras = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    files = [*(REPOSITORY / "hil").rglob("*.py"), *(REPOSITORY / "hil" / "project" / "template").iterdir()]
    asked = {name for path in files for found in EXTRAS.findall(path.read_text()) for name in found.split(",")}
    assert asked and asked <= extras.keys()
