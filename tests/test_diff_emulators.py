"""Drawn programs on two emulators: what is drawn, that they agree where they should, that a difference is found."""

from __future__ import annotations

import re
import struct
from dataclasses import replace
from pathlib import Path

import pytest
from board_programs import DISCO

from hil.measure import disagreement
from hil.measure.disagreement import BATCH, Outcome, disagreements, outcomes
from hil.measure.snippets import NAMES, Snippet, draw, program, write_elf
from hil.targets.image import load

# Of Renode 1.16.1, each recomputed from the manual's definition (docs/renode.md): the sim is right.
KNOWN = {"usub16", "sasx", "ssax", "uasx", "usax", "uhadd8", "uhsub8"}


def test_what_is_drawn_is_the_same_again_and_all_of_it_is_an_instruction() -> None:
    for seed in range(300):
        snippet = draw(seed)
        assert draw(seed) == snippet
        assert len(snippet.text) == len(snippet.body) == 8, [code.hex() for code in snippet.body]
        assert not any(register in re.findall(r"\w+", line) for line in snippet.text for register in ("sp", "pc"))


def test_every_kind_of_instruction_is_drawn() -> None:
    drawn = {line.split()[0].split(".")[0] for seed in range(1500) for line in draw(seed).text}
    assert drawn >= {
        "sdiv",
        "udiv",
        "smlald",
        "umaal",
        "usada8",
        "sel",
        "ssat16",
        "bfi",
        "pkhbt",
        "vfma",
        "vsqrt",
        "vcmp",
        "ldrsh",
        "strd",
        "stm",
        "vldr",
    }
    assert len(drawn) > 150


def test_a_program_is_an_elf_that_the_board_takes(tmp_path: Path) -> None:
    image = load(write_elf(program([draw(1)]), tmp_path / "p.elf"), DISCO)
    ((address, data),) = image.parts
    assert address == DISCO.flash.origin and struct.unpack_from("<I", data, 4)[0] & 1


def test_a_known_sum_comes_out() -> None:
    add = Snippet(
        (bytes.fromhex("11eb0200"),), tuple(range(13)), (0x3F80_0000,) * 8, 1 << 27, 0xFF00
    )  # adds r0, r1, r2
    (found,) = outcomes(DISCO, "sim", [replace(add, core=(0, 0xFFFF_FFFF, 1, *range(3, 13)))])
    named = dict(zip(NAMES, found, strict=True))
    assert (named["r0"], named["r3"], named["s7"]) == (0, 3, 0x3F80_0000)
    assert named["apsr"] == 1 << 30 | 1 << 29 | 1 << 27 and named["ge"] == 0xFF00  # Z, C, Q as it was


def test_a_known_store_comes_out() -> None:
    """Of a word, across two words of the window: strh.w r1, [lr, #3]."""
    store = Snippet((bytes.fromhex("aef80310"),), tuple(range(0xAB00, 0xAB0D)), (0,) * 8, 0, 0, tuple(range(8)))
    (found,) = outcomes(DISCO, "sim", [store])
    named = dict(zip(NAMES, found, strict=True))
    assert (named["m0"], named["m1"], named["m2"]) == (0x0100_0000, 0xAB, 2)


def test_one_emulator_agrees_with_itself() -> None:
    assert disagreements(DISCO, 7, 40, names=("sim", "sim")) == []


@pytest.mark.parametrize(("mnemonic", "name", "given"), [("udiv", "r0", "from r2 = "), ("strh", "m7", ", m7 = ")])
def test_a_difference_is_brought_down_to_its_instruction(
    mnemonic: str, name: str, given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the other emulator's UDIV, or STRH, were wrong."""

    def wrong(board: object, target: str, snippets: list[Snippet]) -> list[Outcome]:
        found = outcomes(DISCO, "sim", snippets)
        if target == "sim":
            return found
        at = NAMES.index(name)
        return [
            (*one[:at], one[at] ^ 1, *one[at + 1 :]) if any(line.startswith(mnemonic) for line in snippet.text) else one
            for snippet, one in zip(snippets, found, strict=True)
        ]

    monkeypatch.setattr(disagreement, "outcomes", wrong)
    found = disagreements(DISCO, 0, 30)
    assert found and all(one.instruction.startswith(mnemonic) and list(one.found) == [name] for one in found)
    assert str(found[0]).startswith(f"seed {found[0].seed}: {mnemonic}") and given in str(found[0])


@pytest.mark.xdist_group("renode")
@pytest.mark.usefixtures("renode_here")
def test_the_real_one_differs_in_what_is_known_alone() -> None:
    found = disagreements(DISCO, 0, BATCH // 2)
    assert {one.instruction.split()[0] for one in found} <= KNOWN
