"""Model cards: the commands of each, in their order and shortened, make what they say they make, and evaluate it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cli import hil
from doc_blocks import commands
from labelled import write_classes, write_discs

from hil import zoo
from hil.reference import weights

ZOO = Path(zoo.__file__).parent
SHORT = "batch = 2\nholdout_every = 3\nwindow = 0.5\n"
EARLIER = re.compile(r"^[A-Z]+$")  # FIRST, SECOND: what the training before has made
FEW = {"--images": "4", "--count": "2", "--limit": "1", "--minutes": "5"}


def of_card(name: str, *verbs: str) -> list[list[str]]:
    """The words of a card's commands of some kinds, in the card's order."""
    text = "\n".join(line[4:] for line in (ZOO / f"{name}.md").read_text().splitlines() if line.startswith("    "))
    return [words for words in commands(text) if words[0] == "hil" and words[1] in verbs]


def shortened(words: list[str], made: Path | None) -> list[str]:
    """A command for data sets of a few photos. made: what the training before it has left."""
    words = list(words)
    for i in range(1, len(words)):
        if words[i - 1] in FEW and words[i].isdecimal():
            words[i] = FEW[words[i - 1]]
        elif words[i - 1] == "--target":
            words[i] = "float"  # native builds each network, as other tests do
        elif words[i - 1] == "--start" and EARLIER.match(words[i]):
            words[i] = str(made)
        elif words[i - 1] in ("--start", "--teacher") and not Path(words[i]).is_file():
            words[i] = str(ZOO / Path(words[i]).name)
    return words


@pytest.mark.parametrize("name", zoo.names())
def test_a_cards_training_can_be_repeated(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("DIR", "EXTRA", "AGAIN"):
        write_discs(Path(folder))
    for split in ("train", "val"):
        write_classes(Path("imagenette", split))
    made = None
    for words in of_card(name, "train", "quantise"):
        words = shortened(words, made)
        if words[1] == "train":
            options = dict(zip(words, words[1:], strict=False))
            recipe = Path(options.get("--recipe", "short.toml"))
            recipe.write_text(SHORT)
            words += ["--recipe", str(recipe)] if "--recipe" not in options else []
            words += ["--images", "4"] if "--images" not in options else []
            made = Path(options["--out"], f"{name}-last{zoo.SUFFIX}")
        done = hil(capsys, monkeypatch, *words[1:])
        assert done.code == 0, done.err
    assert weights.load(Path(f"{name}{zoo.SUFFIX}")).spec.name == name
    kept = weights.metadata(Path(f"{name}{zoo.SUFFIX}")).keys()
    assert "ranges" in kept and kept == weights.metadata(zoo.find(name)).keys()


@pytest.mark.parametrize("name", zoo.names())
def test_a_cards_evaluation_can_be_repeated(
    name: str, shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("DIR").symlink_to(shared_data / "faces")
    Path("imagenette").symlink_to(shared_data / "ten_sample")
    found = of_card(name, "evaluate")
    assert found
    for words in found:
        limit = [] if "--limit" in words else ["--limit", "1"]
        done = hil(capsys, monkeypatch, *shortened(words, None)[1:], *limit)
        assert done.code == 0, done.err
