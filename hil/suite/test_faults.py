"""A crash is reported with what happened and the name of the function it happened in."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hil.bench.session import Bench
from hil.link import LinkError
from hil.reference.photo import Photo
from hil.targets.base import TargetFault

KINDS = (
    "stack_overflow",
    "null_call",
    "unaligned_ldrd",
    "divide_by_zero",
    "write_flash",
    "endless_loop",
    "jump_outside",
    "undefined_instruction",
    "read_outside",
)
ONLY_ON_THE_CHIP = ("unaligned_ldrd", "undefined_instruction")


@pytest.mark.parametrize("kind", KINDS)
def test_a_provoked_crash_names_its_function(hil_bench: Bench, kind: str) -> None:
    if not hil_bench.target.capabilities.injects_faults:
        pytest.skip(f"target {hil_bench.target.name} cannot survive a provoked crash: use --hil-target sim")
    if kind in hil_bench.target.capabilities.unmodelled:
        pytest.skip(f"target {hil_bench.target.name} does not model {kind}: use --hil-target sim")
    try:
        with pytest.raises(TargetFault) as caught:
            hil_bench.provoke(kind)
    except LinkError as error:
        if kind in ONLY_ON_THE_CHIP and hil_bench.firmware.is_native:
            pytest.skip(str(error))
        raise
    assert caught.value.symbol == kind, caught.value
    assert kind in str(caught.value) and "PC 0x" in str(caught.value)
    assert caught.value.line is not None and caught.value.line.startswith("provoke.c:")


def test_a_crash_leaves_the_next_run_clean(hil_bench: Bench, load: Callable[[str], Photo]) -> None:
    if not hil_bench.target.capabilities.injects_faults:
        pytest.skip(f"target {hil_bench.target.name} cannot survive a provoked crash: use --hil-target sim")
    with pytest.raises(TargetFault):
        hil_bench.provoke("null_call")
    hil_bench.boot()
    assert hil_bench.run(load("coins")).bit_exact
