"""Hooks are compiled when first asked for, by a second process meanwhile where that helps."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

from hil import caches
from hil.timing.compiled.native import compile_meanwhile

SOURCE = """
from numba import types

from hil.timing.compiled.native import hook


@hook(types.int64(types.int64))
def twice(x):
    return 2 * x
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    (tmp_path / "a_hook.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)  # the second process finds it, too
    monkeypatch.setenv(caches.VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    monkeypatch.delitem(sys.modules, "a_hook", raising=False)
    return importlib.import_module("a_hook")


def cached(folder: Path) -> list[str]:
    return [path.name for path in folder.glob("cache/machine-code/**/a_hook.twice*.nbi")]


def test_nothing_is_compiled_before_it_is_asked_for(module: ModuleType, tmp_path: Path) -> None:
    assert not cached(tmp_path)
    assert module.twice.ctypes(21) == 42
    assert cached(tmp_path)


def test_a_second_process_compiles_into_the_cache(module: ModuleType, tmp_path: Path) -> None:
    compile_meanwhile(module.twice)
    process = module.twice.process
    assert process is not None and process.wait() == 0
    assert cached(tmp_path)
    assert module.twice.ctypes(21) == 42
    again = type(module.twice)(module.twice._signature, module.twice.function)
    compile_meanwhile(again)
    assert again.process is None  # it is in the cache


def test_with_one_core_no_second_process_is_started(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    compile_meanwhile(module.twice)
    assert module.twice.process is None
