"""Hundreds of mutants, subject by subject: what was killed is written down as it comes, and is not tried again."""

from __future__ import annotations

import json
import multiprocessing
import tempfile
import tomllib
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from hil.errors import HilError
from hil.files import make_folder, write_text
from hil.pools import complete
from hil.selftest import catalogue, subjects
from hil.selftest.mutant import Mutant, Operator, Outcome, StillbornError, Try
from hil.selftest.trial import Bait, set_up
from hil.selftest.workshop import Workshop

EQUIVALENTS = Path(__file__).parent / "equivalents.toml"
STILLBORN, UNREACHED, BARE = "does not compile", "never runs", "bare "
MOST_TEXT = 300
AGAIN = 8  # other pairs of images that a survivor is tried on
Step = Callable[[str, float], None]


@dataclass(frozen=True)
class Verdict:
    """What became of one mutant. killers: none of a survivor; is_right: one of them is the one that was expected."""

    name: str
    operator: str
    subject: str
    killers: tuple[str, ...]
    is_right: bool
    message: str
    where: str | None
    diff: str

    @property
    def is_killed(self) -> bool:
        """Whether a check noticed it. That the bench itself fell over is none."""
        return bool(self.killers) and not self.killers[0].startswith(BARE)

    @property
    def is_counted(self) -> bool:
        """Whether there was anything to notice: it compiles, and the network gets to where it is."""
        return self.killers not in ((STILLBORN,), (UNREACHED,))


def run(
    names: Sequence[str], operators: Sequence[str], store: Path, jobs: int, step: Step, cluster: str | None = None
) -> list[Verdict]:
    """Try every mutant of the campaign that the store, a folder, does not know yet. Returns all, known ones included.

    names: of subjects, all without; operators likewise; cluster: a dask scheduler or "local:N", in the place of jobs.
    Raises HilError for unknown ones, and where a sound firmware fails.
    """
    unknown = [name for name in names if name not in subjects.names()]
    if unknown:
        raise HilError(f"no subject is called {unknown[0]!r}: choose of {', '.join(subjects.names())}")
    asked = {operator.name for operator in catalogue.named(operators)}
    wanted = list(names or subjects.names())
    make_folder(store)
    if cluster is not None:
        _spread(cluster, wanted, operators, store, step)
        return [verdict for name in wanted for verdict in read(store, name) if verdict.operator in asked]
    context = multiprocessing.get_context("spawn")  # not forked: PyTorch's and numba's threads would not be there
    with complete(), ProcessPoolExecutor(min(jobs, len(wanted)), context) as pool:
        futures = [pool.submit(of_subject, name, tuple(operators), store) for name in wanted]
        for done, future in enumerate(as_completed(futures), 1):
            future.result()
            step(f"mutants of {len(wanted)} networks", done / len(wanted))
    return [verdict for name in wanted for verdict in read(store, name) if verdict.operator in asked]


def _spread(cluster: str, names: Sequence[str], operators: Sequence[str], store: Path, step: Step) -> None:
    """A subject is one piece of work: its worker is told what is known of it, and what it finds is kept at its end."""
    try:
        from hil.evaluation.cluster import run_each  # dask is an extra
    except ModuleNotFoundError as error:
        raise HilError(f"--cluster needs the package {error.name}: pip install 'rnnpool-hil[cluster]'") from error
    known = {name: _file(store, name).read_text(encoding="utf-8") for name in names if _file(store, name).exists()}
    given = [(name, tuple(operators), known.get(name, "")) for name in names]
    for done, (name, text) in enumerate(run_each(cluster, elsewhere, given), 1):
        write_text(_file(store, name), text)
        step(f"mutants of {len(names)} networks", done / len(names))


def elsewhere(name: str, operators: Sequence[str], known: str) -> tuple[str, str]:
    """A subject's name and all that is known of it, by a worker that has a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="hil-selftest-") as folder:
        file = _file(Path(folder), name)
        file.write_text(known, encoding="utf-8")
        of_subject(name, operators, Path(folder))
        return name, file.read_text(encoding="utf-8")


def of_subject(name: str, operators: Sequence[str], store: Path) -> None:
    """Everything for one subject that is not known yet, each written down as soon as it is."""
    import torch

    torch.set_num_threads(1)
    known, subject = {verdict.name for verdict in read(store, name)}, subjects.make(name)
    suited = [(o, m) for o in catalogue.named(operators) for m in catalogue.mutants(o, subject)]
    wanted = [(operator, mutant) for operator, mutant in suited if mutant.name not in known]
    if not wanted:
        return
    with tempfile.TemporaryDirectory(prefix="hil-selftest-") as folder, _file(store, name).open("a") as journal:
        bait = set_up(Workshop(subject, Path(folder)))
        for operator, mutant in wanted:
            journal.write(json.dumps(asdict(attempt(mutant, operator, bait))) + "\n")
            journal.flush()


def attempt(mutant: Mutant, operator: Operator, bait: Bait) -> Verdict:
    """One mutant, tried. That the bench itself falls over is no verdict: it is never the right killer."""
    where = None
    try:
        outcome = _attempt(mutant.attempt, bait)
        killers, message, where = outcome.killers, outcome.message, outcome.where
        if not killers and mutant.trap is not None and _is_unreached(mutant.trap, bait):
            killers = (UNREACHED,)
    except StillbornError as error:
        killers, message = (STILLBORN,), str(error)[-MOST_TEXT:]
    except Exception as error:  # of any kind: the campaign goes on, and shows it
        killers, message = (f"{BARE}{type(error).__name__}",), str(error)
    is_right = any(killer in operator.expected for killer in killers)
    is_right = is_right and (mutant.place is None or where is None or where.startswith(mutant.place))
    return Verdict(
        mutant.name, operator.name, mutant.subject, killers, is_right, message[:MOST_TEXT], where, mutant.diff[:2000]
    )


def _attempt(attempt: Try, bait: Bait) -> Outcome:
    """On the bait's images, and on others if nothing comes of it: what is changed may have been at rest so far."""
    outcome = attempt(bait)
    for _ in range(AGAIN):
        outcome = outcome if outcome.killers else attempt(set_up(bait.workshop))
    return outcome


def _is_unreached(trap: Try, bait: Bait) -> bool:
    try:
        return not _attempt(trap, bait).killers
    except StillbornError:  # no place for a trap
        return False


def read(store: Path, name: str) -> list[Verdict]:
    """What a store holds of a subject; a last line that was cut off does not count."""
    found: dict[str, Verdict] = {}
    path = _file(store, name)
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            said: dict[str, Any] = json.loads(line)
            found[said["name"]] = Verdict(**said | {"killers": tuple(said["killers"])})
        except (ValueError, KeyError, TypeError):
            continue
    return list(found.values())


def _file(store: Path, name: str) -> Path:
    return store / f"{name}.jsonl"


def equivalents() -> dict[str, str]:
    """Why a survivor is none, by a pattern of the mutant's name, with its subject or without."""
    said: dict[str, str] = tomllib.loads(EQUIVALENTS.read_text(encoding="utf-8"))
    return said


def survivors(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """The mutants that no check noticed, or that crashed the bench itself, without argued equivalents."""
    argued = equivalents()
    alive = [verdict for verdict in verdicts if not verdict.is_killed]
    return [v for v in alive if not any(fnmatchcase(key, pattern) for key in _keys(v) for pattern in argued)]


def _keys(verdict: Verdict) -> tuple[str, str]:
    """The name without the subject and with it; brackets, which patterns know, as dots."""
    place = verdict.name.split("/", 2)[2].replace("[", ".").replace("]", ".")
    return f"{verdict.operator}/{place}", f"{verdict.operator}/{verdict.subject}/{place}"
