"""The pytest plugin: where tests run, what they are called, what is skipped and how that reads."""

from __future__ import annotations

from pathlib import Path

import pytest
from compilers import nothing_installed

pytest_plugins = ["pytester"]


@pytest.fixture(autouse=True)
def without_robot(monkeypatch: pytest.MonkeyPatch) -> None:
    """pytest-robotframework takes every session over in which it is not switched off."""
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:robotframework")


TEST = "def test_where(hil_place):\n    assert str(hil_place) in ('sim-stm32f407_disco', 'native-stm32f429_disco')\n"


BOTH_BOARDS = ["--hil-board", "stm32f407_disco", "--hil-board", "stm32f429_disco"]


def test_without_options_it_is_the_simulated_board(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(TEST)
    result = pytester.runpytest_inprocess("-v")
    result.stdout.fnmatch_lines(["*test_where?sim-stm32f407_disco? PASSED*"])


def test_targets_and_boards_multiply(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_where(hil_place):\n    pass\n")
    names = ["--hil-target", "sim", "--hil-target", "native", *BOTH_BOARDS]
    result = pytester.runpytest_inprocess("-v", *names)
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["*test_where?native-stm32f429_disco? PASSED*"])


def test_the_configuration_file_may_say_where(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nhil_target = native sim\nhil_board = stm32f429_disco\nhil_timing = full\n")
    pytester.makepyfile("def test_where(hil_place):\n    pass\n")
    pytester.runpytest_inprocess().assert_outcomes(passed=2)
    result = pytester.runpytest_inprocess("-v", "--hil-target", "native")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*test_where?native-stm32f429_disco? PASSED*"])


def test_files_that_the_configuration_names_lie_beside_it(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nhil_model = mine.safetensors\nhil_limits = limits.toml\n")
    (pytester.path / "mine.safetensors").touch()
    (pytester.path / "limits.toml").write_text('[mine]\n"cycles.total" = 7\n')
    pytester.makepyfile(
        **{
            "sub/test_it": """
            from types import SimpleNamespace
            from hil import board, pytest_plugin
            def test_model(pytestconfig):
                assert pytest_plugin.model(pytestconfig) == str(pytestconfig.rootpath / "mine.safetensors")
                firmware = SimpleNamespace(board=board.load("stm32f407_disco"), network_name="mine", kernels="fast",
                                           compiler=None)
                assert pytest_plugin.limits(pytestconfig, firmware)["cycles.total"].value == 7
            """
        }
    )
    pytester.runpytest_subprocess(pytester.path / "sub").assert_outcomes(passed=1)


def test_a_timing_mode_that_is_none_is_refused(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(TEST)
    result = pytester.runpytest_inprocess("--hil-timing", "both")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert any("choose one of fast, full" in line for line in result.errlines + result.outlines)


@pytest.mark.parametrize(
    ("option", "known"), [("--hil-target", "sim, native"), ("--hil-board", "stm32f407_disco, stm32f411")]
)
def test_an_unknown_name_lists_the_known_ones(pytester: pytest.Pytester, option: str, known: str) -> None:
    pytester.makepyfile(TEST)
    result = pytester.runpytest_inprocess(option, "nowhere")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert any("'nowhere'" in line and known in line for line in result.errlines + result.outlines)


def test_a_missing_compiler_skips_with_the_command(pytester: pytest.Pytester, monkeypatch, tmp_path: Path) -> None:
    nothing_installed(monkeypatch)
    pytester.makepyfile("def test_boots(hil_bench):\n    pass\n")
    result = pytester.runpytest_inprocess("-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*pip install 'rnnpool-hil[[]toolchain]'*"])


def test_a_target_that_is_not_here_skips_with_a_reason(pytester: pytest.Pytester, monkeypatch) -> None:
    monkeypatch.setitem(__import__("hil.targets", fromlist=["_CLASSES"])._CLASSES, "nowhere", "NowhereTarget")
    monkeypatch.setattr("hil.targets.NAMES", ("sim", "native", "nowhere"))
    pytester.makepyfile("def test_boots(hil_target):\n    pass\n")
    result = pytester.runpytest_inprocess("-rs", "--hil-target", "nowhere")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*'nowhere' is not part of this version*"])


def test_the_plugin_costs_other_projects_no_imports(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        "import sys\ndef test_light():\n    assert not {'torch', 'unicorn', 'numba'} & sys.modules.keys()\n"
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=1)
