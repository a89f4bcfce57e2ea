"""How Renode is found, and what is said where it is not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from board_programs import DISCO

from hil.errors import HilError
from hil.targets import create
from hil.targets.pyrenode import find


@pytest.fixture
def with_pyrenode3(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(find.importlib.util, "find_spec", lambda name: object())


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No Renode of the user's, none on the PATH, none in the environment."""
    monkeypatch.setenv("HIL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", "")
    for variable in find.LOCATIONS:
        monkeypatch.delenv(variable, raising=False)


@pytest.mark.usefixtures("nowhere")
def test_without_renode_the_one_command_that_gets_it_is_said() -> None:
    with pytest.raises(HilError, match=r"^target renode needs Renode 1.16.1, which is not here: hil renode install$"):
        create("renode", DISCO)


def test_without_pyrenode3_the_same_command_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(find.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(HilError, match="needs the Python package pyrenode3: hil renode install"):
        find.find({"PYRENODE_BIN": str(tmp_path)})


@pytest.mark.usefixtures("with_pyrenode3")
@pytest.mark.parametrize(
    ("environment", "said"),
    [
        (
            {"PYRENODE_BIN": "/nowhere/renode"},
            "PYRENODE_BIN is /nowhere/renode, which does not exist: hil renode install, and unset PYRENODE_BIN",
        ),
        ({"PYRENODE_BIN": "a", "PYRENODE_BUILD_DIR": "b"}, "are set, pyrenode3 takes one: unset PYRENODE_BUILD"),
        ({"PYRENODE_BUILD_DIR": "/", "PATH": ""}, "runs on Mono, which is not installed: apt-get install"),
    ],
)
def test_a_missing_or_ambiguous_renode_is_explained(environment: Mapping[str, str], said: str) -> None:
    with pytest.raises(find.RenodeMissingError, match=said):
        find.find(environment)


@pytest.mark.usefixtures("with_pyrenode3", "nowhere")
def test_a_portable_renode_on_the_path_runs_on_dotnet(tmp_path: Path) -> None:
    binary = tmp_path / "renode"
    binary.write_bytes(b"\x7fELF")
    binary.chmod(0o755)
    found = find.find({"PATH": str(tmp_path)})
    assert found.environment == {"PYRENODE_BIN": str(binary), "PYRENODE_RUNTIME": "coreclr"}
