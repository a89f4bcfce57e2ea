"""Fixtures that all host tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of third-party data (faces/, vww/, vectors/), which is not part of the repository.

    Looked for in $HIL_DATA, then in ../shared/data beside the checkout. Skips the test where it is absent.
    """
    path = Path(os.environ.get("HIL_DATA", REPOSITORY.parent / "shared" / "data"))
    if not (path / "README.md").exists():
        pytest.skip(f"needs the third-party data folder (WIDER FACE, oracles): none at {path.name}/, set HIL_DATA to it")
    return path
