"""A Renode that is too old, unknown, damaged or missing is told from one that works; what it models is asked of it."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from hil.commands import doctor
from hil.errors import HilError
from hil.targets.pyrenode import check, probes, process, release
from hil.targets.pyrenode.find import Installation
from hil.targets.pyrenode.process import Pool


class Fake:
    """A Renode of a version that runs programs with this outcome."""

    boots, is_running = 1, True

    def __init__(self, version: str = release.VERSION, outcome: dict[str | None, int] | None = None) -> None:
        self.version = version
        self._outcome = outcome or {None: probes.PASSED, "undefined_instruction": probes.TRAPPED}
        self.calls: list[str] = []

    def call(self, name: str, *arguments: str) -> object:
        self.calls.append(name)
        return frozenset({"divide_by_zero"}) if name == "unmodelled" else self._outcome[(*arguments, None)[0]]

    def end(self) -> None:
        self.calls.append("end")


def put(monkeypatch: pytest.MonkeyPatch, renode: Fake) -> Fake:
    monkeypatch.setattr(check, "find", lambda: Installation("PYRENODE_BIN", Path("/there/renode"), "coreclr"))
    for module in (check, process):
        monkeypatch.setattr(module, "Renode", lambda: renode)
    return renode


def found(monkeypatch: pytest.MonkeyPatch, renode: Fake) -> doctor.Finding:
    put(monkeypatch, renode)
    finding = doctor._renode()
    assert renode.calls[-1] == "end"
    return finding


def test_the_doctor_says_which_renode_boots(monkeypatch: pytest.MonkeyPatch) -> None:
    finding = found(monkeypatch, Fake())
    assert finding.is_ok
    assert finding.found == f"{release.VERSION}: /there/renode on coreclr; boots a program"


@pytest.mark.parametrize(
    ("renode", "said"),
    [
        (Fake("1.15.3"), f"is Renode 1.15.3, {release.VERSION} is needed"),
        (Fake(outcome={None: 0}), "starts, but runs a program wrongly"),
        (Fake(outcome={None: 42, "undefined_instruction": 42}), "starts, but runs a program wrongly"),
    ],
)
def test_the_doctor_says_what_is_wrong_and_the_command_that_mends_it(
    monkeypatch: pytest.MonkeyPatch, renode: Fake, said: str
) -> None:
    finding = found(monkeypatch, renode)
    assert not finding.is_ok and said in finding.found and finding.remedy == "hil renode install"


def test_the_doctor_says_why_one_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, Fake())

    def broken() -> None:
        raise HilError("Renode at /there/renode does not start: bad image")

    monkeypatch.setattr(check, "Renode", broken)
    finding = doctor._renode()
    assert not finding.is_ok and "does not start: bad image" in finding.found


def test_a_renode_that_is_too_old_runs_no_board(monkeypatch: pytest.MonkeyPatch) -> None:
    renode = put(monkeypatch, Fake("1.9.9"))
    with pytest.raises(HilError, match="Renode 1.9.9 is too old, 1.16.1 is needed: hil renode install"):
        Pool().take()
    assert renode.calls == ["end"]


def test_an_unknown_version_warns_once(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    put(monkeypatch, Fake("1.17.0"))
    pool = Pool()
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            pool.take()
    assert [r.getMessage() for r in caplog.records] == ["Renode 1.17.0 was not tested with this bench, 1.16.1 was"]


def test_what_renode_models_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    renode = put(monkeypatch, Fake())
    pool = Pool()
    assert pool.unmodelled() == pool.unmodelled() == {"divide_by_zero"}
    assert renode.calls == ["unmodelled"]


@pytest.mark.parametrize(
    ("version", "is_old"), [("1.16.0", True), ("1.16.1", False), ("1.16.10", False), ("2.0.0", False)]
)
def test_versions_are_compared_by_their_numbers(version: str, is_old: bool) -> None:
    assert release.is_too_old(version) == is_old


@pytest.mark.xdist_group("renode")
@pytest.mark.usefixtures("renode_here")
def test_the_real_one_lets_two_crashes_pass_and_traps_the_third() -> None:
    pool = Pool()
    renode = pool.take()
    try:
        outcomes = {name: renode.call("probe", name) for name in (None, *probes.NAMES)}
        trapped = {name for name, outcome in outcomes.items() if outcome == probes.TRAPPED}
        assert "undefined_instruction" in trapped and None not in trapped
        assert set(outcomes.values()) <= {probes.PASSED, probes.TRAPPED}
        assert renode.call("unmodelled") == set(probes.NAMES) - trapped
        assert renode.version not in release.TESTED or set(probes.NAMES) - trapped == {
            "divide_by_zero",
            "unaligned_ldrd",
        }
    finally:
        renode.end()
