"""A row of the image that sets off more work than the cycle counter can count, or than an endless loop would do."""

from __future__ import annotations

import pytest
from compilers import needs

from hil.bench.session import Bench
from hil.firmware.build import Firmware, build
from hil.firmware.model import model_spec
from hil.link import Client
from hil.reference.photo import sample_photo
from hil.targets.base import TargetFault
from hil.targets.sim.peripherals.dwt import Dwt
from hil.targets.sim.target import SimTarget
from hil.targets.wrapper import Wrapper
from hil.timing.compiled import blockhook as hook

MODEL, BOARD = "rnnpool_face_m4", "stm32f407_disco"
TIMES = 2000  # as fast as the core: the longest rows take more than a round of the counter, and no step half of one

PIXELS = sample_photo(model_spec(MODEL))

pytestmark = needs(BOARD)


@pytest.fixture(scope="module")
def firmware(tmp_path_factory: pytest.TempPathFactory) -> Firmware:
    return build(MODEL, BOARD, tmp_path_factory.mktemp("long") / "firmware")


def test_rounds_of_the_counter_are_counted(firmware: Firmware, monkeypatch: pytest.MonkeyPatch) -> None:
    sim = SimTarget(firmware.board)
    with Bench(firmware, sim) as bench:
        before = bench.client.infer(PIXELS).total_cycles
        assert before is not None
        sim.sim.core.words[hook.COUNTS] = False  # have Python asked for each reading
        monkeypatch.setattr(Dwt, "_mirror", lambda self: None)
        monkeypatch.setattr(Dwt, "_count", lambda self, now: TIMES * now & 0xFFFF_FFFF)
        slow = bench.client.infer(PIXELS)
    assert slow.counter.name == "RUNS"
    assert slow.total_cycles == pytest.approx(TIMES * before, rel=0.01)


def test_a_bench_gives_a_network_the_time_that_it_is_predicted(firmware: Firmware) -> None:
    impatient = SimTarget(firmware.board, runaway_s=0.001)  # a row of M4 takes longer
    impatient.boot(firmware.elf)
    with pytest.raises(TargetFault, match="endless loop"):
        Client(impatient).infer(PIXELS)
    with Bench(firmware, Wrapper(SimTarget(firmware.board, runaway_s=0.001))) as bench:
        bench.client.infer(PIXELS)
