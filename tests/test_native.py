"""The native target: the firmware as a process, its end, and images that are broken off."""

from __future__ import annotations

import os
import signal
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from stub_firmware import expected_boxes, expected_tap, random_image

from hil import board
from hil.link import Client, DeviceFault, LinkError, UnexpectedReset, frames
from hil.link.frames import Frame
from hil.link.messages import Provoke, Type
from hil.targets import TargetError, TargetFault, create
from hil.targets.native import NativeTarget, processor_time
from hil.targets.reported import explain


@pytest.fixture
def target(stub_native: Path) -> Iterator[NativeTarget]:
    with NativeTarget(board.load("stm32f407_disco")) as native:
        native.boot(stub_native)
        yield native


def process_of(target: NativeTarget) -> subprocess.Popen[bytes]:
    assert target._process is not None
    return target._process


def test_images_one_after_another(target: NativeTarget) -> None:
    client = Client(target)
    for seed in range(3):
        image = random_image(seed)
        result = client.infer(image)
        assert result.detections == expected_boxes(image)
    assert result.arena_used == 240
    assert (result.total_cycles, result.layer_cycles, result.stack_used, result.heap_used) == (None,) * 4


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_taps(target: NativeTarget, layer: int) -> None:
    image = random_image(layer)
    result = Client(target).infer(image, tap=layer)
    assert result.tap is not None and np.array_equal(result.tap, expected_tap(image, layer))
    assert result.detections == expected_boxes(image)


def test_digests_are_the_crc_of_what_a_tap_gives(target: NativeTarget) -> None:
    image = random_image(5)
    digests = Client(target).infer(image, digests=True).digests
    assert digests == [zlib.crc32(expected_tap(image, layer).tobytes()) for layer in range(3)]


def test_progress_ends_at_the_whole_image(target: NativeTarget) -> None:
    seen: list[tuple[int, int]] = []
    Client(target).infer(random_image(0), progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (3600, 3600) and seen == sorted(seen)


def test_a_reset_in_the_middle_is_an_error_and_the_next_image_works(target: NativeTarget) -> None:
    client = Client(target)
    image = random_image(1)

    def reset_once(done: int, total: int) -> None:
        if done < total:
            target.reset()

    with pytest.raises(UnexpectedReset):
        client.infer(image, tap=0, progress=reset_once)
    assert client.infer(image).detections == expected_boxes(image)


class Interrupted(Exception):
    pass


@pytest.mark.parametrize("tap", [None, 0])
def test_a_host_that_starts_again_in_the_middle_gets_a_fresh_image(target: NativeTarget, tap: int | None) -> None:
    def leave(done: int, total: int) -> None:
        raise Interrupted

    with pytest.raises(Interrupted):
        Client(target).infer(random_image(1), tap=tap, progress=leave)
    image = random_image(2)
    assert Client(target).infer(image).detections == expected_boxes(image)


def test_a_reset_by_request(target: NativeTarget) -> None:
    client = Client(target)
    boots = client.hello().boots
    client.reset()
    assert client.hello().boots == boots + 1


CAN_CRASH = [
    "stack_overflow",
    "null_call",
    "divide_by_zero",
    "write_flash",
    "endless_loop",
    "jump_outside",
    "undefined_instruction",
    "read_outside",
]


@pytest.mark.parametrize("kind", CAN_CRASH)
def test_crashes_name_the_function(target: NativeTarget, stub_native: Path, kind: str) -> None:
    with pytest.raises(DeviceFault) as caught:
        Client(target, retries=100).provoke(kind)  # patient: the watchdog counts CPU time, which others want as well
    fault = explain(caught.value, stub_native)
    assert fault.symbol == kind
    assert fault.line is not None and fault.line.startswith("provoke.c:")
    target.reset()
    image = random_image(1)
    assert Client(target).infer(image).detections == expected_boxes(image)


def test_what_this_computer_cannot_do_is_refused(target: NativeTarget) -> None:
    with pytest.raises(LinkError, match="survived unaligned_ldrd"):
        Client(target).provoke("unaligned_ldrd")


def test_a_program_that_computes_is_given_the_processors_time_and_not_the_walls(target: NativeTarget) -> None:
    target.write(frames.encode(Frame(Type.PROVOKE, 1, bytes([Provoke.ENDLESS_LOOP]))))
    pid = process_of(target).pid
    while target.read(0.05) or not processor_time(pid)[1]:
        pass  # its greeting, before it computes
    before_s, _ = processor_time(pid)
    assert target.read(0.2) == b""
    assert processor_time(pid)[0] - before_s >= 0.2


def test_a_killed_process_is_a_fault(target: NativeTarget) -> None:
    Client(target).hello()
    process_of(target).send_signal(signal.SIGKILL)
    process_of(target).wait()
    with pytest.raises(TargetFault, match="SIGKILL"):
        Client(target).infer(random_image(0))


def test_the_process_ends_with_its_input(stub_native: Path) -> None:
    with subprocess.Popen([stub_native], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(timeout=60) == 0


def test_close_leaves_no_process(stub_native: Path) -> None:
    native = create("native", board.load("stm32f407_disco"))
    native.boot(stub_native)
    pid = process_of(native).pid  # type: ignore[arg-type]
    native.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_bad_files_are_refused(tmp_path: Path) -> None:
    native = NativeTarget(board.load("stm32f407_disco"))
    text, cut, arm = tmp_path / "text", tmp_path / "cut", tmp_path / "arm"
    text.write_text("hello")
    cut.write_bytes(b"\x7fELF")
    arm.write_bytes(b"\x7fELF" + bytes(14) + b"\x28\x00")
    with pytest.raises(TargetError, match="not an ELF file"):
        native.boot(text)
    with pytest.raises(TargetError, match="does not start"):
        native.boot(cut)
    with pytest.raises(TargetError, match="build the preset `native`"):
        native.boot(arm)
    with pytest.raises(TargetError, match="cannot read"):
        native.boot(tmp_path / "nothing")
    with pytest.raises(TargetError, match="no firmware was booted"):
        native.read(0.0)
