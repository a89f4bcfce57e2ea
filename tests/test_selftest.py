"""The bench fails when it should: forty mutants of one network, and how a campaign of hundreds is kept."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from cli import hil
from stub_firmware import need

from hil.bench import session
from hil.bench.judge import Findings
from hil.bench.run import Run
from hil.errors import HilError
from hil.paths import source_root
from hil.selftest import both, campaign, catalogue, hosts, subjects
from hil.selftest.campaign import Verdict
from hil.selftest.lines import used_lines
from hil.selftest.mutant import Mutant, Operator, Outcome
from hil.selftest.table import markdown
from hil.selftest.trial import Bait, set_up
from hil.selftest.workshop import Workshop

TINY = subjects.make("tiny")


@pytest.fixture(scope="module")
def bait(tmp_path_factory: pytest.TempPathFactory) -> Bait:
    need("cmake", "cc")
    return set_up(Workshop(TINY, tmp_path_factory.mktemp("workshop") / "tiny"))


@pytest.fixture(scope="module")
def verdicts(bait: Bait) -> list[Verdict]:
    by_name = {operator.name: operator for operator in catalogue.operators()}
    return [campaign.attempt(mutant, by_name[mutant.operator], bait) for mutant in catalogue.quick(TINY)]


def test_every_mutant_of_the_quick_selection_is_killed_or_argued(verdicts: list[Verdict]) -> None:
    counted = [verdict for verdict in verdicts if verdict.is_counted]
    assert len(verdicts) == catalogue.QUICK and len(counted) > 0.8 * catalogue.QUICK
    alive = campaign.survivors(counted)
    assert not alive, "\n".join(f"{verdict.name}\n{verdict.diff}" for verdict in alive)


def test_they_are_killed_by_the_checks_that_are_there_for_them(verdicts: list[Verdict]) -> None:
    strangers = {v.name: v.killers for v in verdicts if v.killers and v.is_counted and not v.is_right}
    assert strangers == {}


def test_the_sound_firmware_passes_on_the_same_images(bait: Bait) -> None:
    assert bait.run() == Outcome(())


def test_the_first_image_since_a_boot_has_all_layers_held_against_floating_point(
    bait: Bait, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns: list[int | None] = []
    sound = session.judge

    def judge(found: Findings, *rest: Any) -> Run:
        turns.append(found.turn)
        return sound(found, *rest)

    monkeypatch.setattr(session, "judge", judge)
    assert bait.run() == bait.run() == Outcome(())
    assert turns == [None, 1, None, 1]


def test_a_check_that_is_not_made_lets_mutants_live(bait: Bait, monkeypatch: pytest.MonkeyPatch) -> None:
    (operator,) = catalogue.named(["weight-sign"])
    mutant = catalogue.mutants(operator, TINY)[0]
    assert mutant.attempt(bait).is_killed
    monkeypatch.setattr("hil.bench.run.Run.passed", True)
    assert not mutant.attempt(bait).is_killed


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("hello-layers", "the device has layers"), ("hello-tensors", "the device has tensors"),
        ("hello-arena-bytes", "bytes of arena"), ("hello-width", "the device has input"),
        ("hello-tile-rows", "rows a tile"), ("hello-max-detections", "most detections"),
        ("digest-last", "agrees when it is run again"), ("arena-unknown", "was not measured, though"),
        ("both-clip", "by the network's own rules"), ("both-pooled", "rnnpool makes something else"),
        ("shared-tied", "rnnpool makes something else"),
        ("shared-weight", "makes something else of what it gets|outputs.offset_error is"),  # as the images show it
    ],
)  # fmt: skip
def test_the_cause_is_named(bait: Bait, name: str, words: str) -> None:
    (operator,) = catalogue.named([name])
    for mutant in catalogue.mutants(operator, TINY, 1):
        found = campaign.attempt(mutant, operator, bait)
        assert found.is_right and re.search(words, found.message), found


def test_the_catalogue_is_large_enough() -> None:
    assert len(catalogue.operators()) >= 40
    assert set(subjects.SIZES) <= set(subjects.names()) and len(subjects.DRAWN) >= 3


def test_the_same_mutants_are_chosen_each_time() -> None:
    operator = catalogue.operators()[0]
    first, second = (catalogue.mutants(operator, TINY) for _ in range(2))
    assert [m.name for m in first] == [m.name for m in second] and len(first) == operator.count


def test_what_is_known_is_not_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    def sites(subject: subjects.Subject) -> list[Mutant]:
        def attempt(name: str) -> Callable[[Bait], Outcome]:
            return lambda bait: tried.append(name) or Outcome(("layers.differing",))  # type: ignore[func-returns-value]

        return [Mutant("made-up", subject.name, name, "", attempt(name)) for name in ("one", "two")]

    operator = Operator("made-up", "nothing", ("layers.differing",), sites)
    monkeypatch.setattr(catalogue, "operators", lambda: (operator,))
    monkeypatch.setattr(campaign, "Workshop", lambda *arguments: None)
    monkeypatch.setattr(campaign, "set_up", lambda workshop: None)
    campaign.of_subject("tiny", (), tmp_path)
    store = tmp_path / "tiny.jsonl"
    lines = store.read_text().splitlines()
    store.write_text(f"{lines[0]}\n{lines[1][:20]}")  # stopped in the middle of a line
    campaign.of_subject("tiny", (), tmp_path)
    assert tried == ["one", "two", "two"]


def verdict(killers: tuple[str, ...], name: str = "weight-bit/tiny/a[1]") -> Verdict:
    return Verdict(name, name.split("/")[0], "tiny", killers, bool(killers), "", None, "- a\n+ b")


def test_survivors_are_those_that_nobody_noticed_and_nobody_argued(monkeypatch: pytest.MonkeyPatch) -> None:
    argued = {"weight-bit/b.2.": "never read", "weight-bit/ti*/c.3.": "of tiny", "weight-bit/large/a.1.": "of another"}
    monkeypatch.setattr(campaign, "equivalents", lambda: argued)
    found = [
        verdict(()),
        verdict((), "weight-bit/tiny/b[2]"),
        verdict((), "weight-bit/tiny/c[3]"),
        verdict(("layers.differing",)),
        verdict(("bare KeyError",)),
    ]
    assert campaign.survivors(found) == [found[0], found[4]]


def test_a_survivor_is_shown_with_what_was_changed(capsys, monkeypatch, tmp_path: Path) -> None:
    (tmp_path / "tiny.jsonl").write_text(json.dumps(asdict(verdict(()))) + "\n")
    monkeypatch.setattr(campaign, "of_subject", lambda *arguments: None)
    monkeypatch.setattr(campaign, "ProcessPoolExecutor", InThisProcess)
    outcome = hil(capsys, monkeypatch, "selftest", "--subject", "tiny", "--store", tmp_path)
    assert outcome.code == 1 and "weight-bit/tiny/a[1] survives" in outcome.out and "+ b" in outcome.out


class InThisProcess:
    """A pool that does what it is asked to at once."""

    def __init__(self, *arguments: object) -> None: ...

    def __enter__(self) -> InThisProcess:
        return self

    def __exit__(self, *arguments: object) -> None: ...

    def submit(self, function: Callable[..., object], *arguments: object) -> object:
        from concurrent.futures import Future

        future: Future[object] = Future()
        future.set_result(function(*arguments))
        return future


@pytest.mark.parametrize("option", ["--subject", "--operator"])
def test_an_unknown_name_is_refused_with_the_known_ones(capsys, monkeypatch, tmp_path: Path, option: str) -> None:
    outcome = hil(capsys, monkeypatch, "selftest", option, "nobody", "--store", tmp_path)
    assert outcome.code == 2 and "'nobody'" in outcome.err and "choose of" in outcome.err


def test_an_unknown_operator_is_an_error() -> None:
    with pytest.raises(HilError, match="no operator is called 'nobody'"):
        catalogue.named(["nobody"])


def test_the_table_says_what_caught_what() -> None:
    table = markdown([verdict(("layers.differing",)), verdict(("layers.differing",), "weight-bit/tiny/c[3]")])
    assert "| weight-bit | a bit of a weight in the ELF | 2 | 2 | layers.differing |" in table


def test_every_operator_that_suits_a_network_has_something_to_break() -> None:
    """Those without need what this network's plan, or its cells, do not have."""
    suited = [operator for operator in catalogue.operators() if set(operator.needs) <= TINY.kinds]
    idle = {operator.name for operator in suited if not list(operator.sites(TINY))}
    assert idle == {
        "tanh-table",
        "shared-tanh",
        "plan-from",
        "plan-keep",
        "plan-carry",
        "plan-ends",
    }


@pytest.mark.parametrize("mistake", both.MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_on_both_sides_has_its_text_on_both(mistake: both.Mistake) -> None:
    kernel = (source_root() / both.KERNELS / mistake.kernel).read_text()
    assert mistake.here[0] in kernel and mistake.there[0] in inspect.getsource(mistake.module)


@pytest.mark.parametrize("kind", hosts.KINDS, ids=lambda kind: kind[0])
def test_a_mutant_of_the_host_has_its_text_in_its_module(kind: hosts.Kind) -> None:
    _, _, module, old, *_ = kind
    assert old in inspect.getsource(module)


def test_a_mutant_that_the_bench_fell_over_is_not_killed() -> None:
    fallen = [verdict(("bare LookupError",))]
    assert campaign.survivors(fallen) == fallen and "| 1 | 0 |" in markdown(fallen)


def test_lines_that_no_cell_of_a_network_runs_are_left_alone() -> None:
    text = (source_root() / "firmware_src" / "kernels" / "fastgrnn_cell.h").read_text()
    other = SimpleNamespace(graph=TINY.graph, model_source=".is_tied = false\n.u_blocks = 3")
    ours, theirs = ("\n".join(line for _, line in used_lines(cast(Any, subject), text)) for subject in (TINY, other))
    for code in ("c->tanh[", "packed_blocks(m, values)"):
        assert code not in ours and code in theirs
