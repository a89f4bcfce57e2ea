"""pytest on Robot suites: `pytest robot_tests --hil-target native` is `robot --variable TARGET:native robot_tests`."""

from __future__ import annotations

from typing import Any

import pytest

from hil.pytest_plugin import model, places, setting


def pytest_configure(config: pytest.Config) -> None:
    if not config.pluginmanager.has_plugin("robotframework"):
        raise pytest.UsageError(
            "pytest runs Robot suites by a plugin: pip install pytest-robotframework; without it: robot robot_tests"
        )


@pytest.hookimpl(optionalhook=True)
def pytest_robot_modify_options(options: dict[str, Any], session: pytest.Session) -> None:
    """Hand the options of the hil plugin to Robot, as the variables of bench.resource."""
    config = session.config
    chosen = places(config)
    if len(chosen) > 1:
        raise pytest.UsageError("Robot suites run in one place at a time: give --hil-target and --hil-board once")
    at = setting(config, "at") or ""
    variables = {"TARGET": chosen[0].target, "BOARD": chosen[0].board, "MODEL": model(config), "AT": at}
    options["variable"] = [*options.get("variable", []), *(f"{name}:{value}" for name, value in variables.items())]
    options.setdefault("outputdir", "build/robot")
