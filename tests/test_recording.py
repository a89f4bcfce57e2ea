"""Recordings: a session on a target and the same session from its file are one and the same to the host."""

from __future__ import annotations

from pathlib import Path

import pytest
from stub_firmware import expected_boxes, random_image

from hil import board
from hil.errors import HilError
from hil.link import Client
from hil.targets.base import Capabilities, TargetError
from hil.targets.faulty_line import FaultyLine, Harm
from hil.targets.native import NativeTarget
from hil.targets.recording import Recorder, Recording
from hil.targets.replay import ReplayError, ReplayTarget

F407 = board.load("stm32f407_disco")


@pytest.fixture(params=["session.txt", "session.txt.gz"])
def session(request: pytest.FixtureRequest, stub_native: Path, tmp_path: Path) -> Path:
    """Two images to the stub firmware, recorded, with a frame damaged on its way."""
    path = tmp_path / "deep" / request.param
    line = FaultyLine(NativeTarget(F407))
    with Recorder(line, path, {"model": "stub"}) as target:
        target.boot(stub_native)
        client = Client(target)
        client.infer(random_image(1))
        line.harm_next(Harm.CUT)
        target.reset()
        assert client.infer(random_image(2), tap=1).detections == expected_boxes(random_image(2))
        assert client.statistics.retries > 0
    return path


def replay(path: Path) -> ReplayTarget:
    return ReplayTarget(F407, Recording.load(path))


def test_the_same_session_gives_the_same_results(session: Path) -> None:
    with replay(session) as target:
        assert target.name == "native"
        target.boot(Path("anything"))
        client = Client(target)
        assert client.infer(random_image(1)).detections == expected_boxes(random_image(1))
        target.reset()
        result = client.infer(random_image(2), tap=1)
        assert result.detections == expected_boxes(random_image(2)) and result.tap is not None
        assert client.statistics.retries > 0
        assert target.is_at_end


def test_the_header_says_what_it_is(session: Path) -> None:
    header = Recording.load(session).header
    expected = {
        "format": "rnnpool-hil recording",
        "version": 1,
        "target": "native",
        "board": F407.name,
        "clock": "wall",
    }
    assert header == expected | {"model": "stub"}


def test_another_image_is_noticed(session: Path) -> None:
    with replay(session) as target:
        target.boot(Path("anything"))
        with pytest.raises(ReplayError, match=r"line \d+: the host sends TILE .*it sent TILE .*record it again"):
            Client(target).infer(random_image(7))


def test_more_than_was_recorded_is_noticed(session: Path) -> None:
    with replay(session) as target:
        target.boot(Path("anything"))
        client = Client(target)
        client.infer(random_image(1))
        with pytest.raises(ReplayError, match="the host sends HELLO.*it reset the board"):
            client.infer(random_image(2), tap=1)


def test_a_session_that_broke_off(session: Path, tmp_path: Path) -> None:
    recording = Recording.load(session)
    target = ReplayTarget(F407, Recording(session, recording.header, recording.events[:15]))
    target.boot(Path("anything"))
    with pytest.raises(ReplayError, match="ends where the host"):
        Client(target).infer(random_image(1))


def test_a_target_that_fails_fails_again(tmp_path: Path) -> None:
    class Dying(NativeTarget):
        capabilities = Capabilities(cycles=None)

        def read(self, timeout_s: float) -> bytes:
            raise TargetError("it is\ngone")

    path = tmp_path / "session.txt"
    with Recorder(Dying(F407), path) as recorder, pytest.raises(TargetError, match="gone"):
        recorder.read(1)
    with pytest.raises(TargetError, match="it is gone"):
        replay(path).read(1)
    with pytest.raises(HilError, match="memory"):
        replay(path).read_memory(0, 4)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no recording"),
        (b"\x89PNG\r\n", "is no recording"),
        (b"[]\n", "first line should be JSON with format"),
        (b'{"format": "rnnpool-hil recording", "version": 9}\n', "of version 9, this hil reads 1"),
        (b'{"format": "rnnpool-hil recording", "version": 1}\n0.1 > 00\n0.2 > 0g\n', "line 3: non-hexadecimal"),
        (b'{"format": "rnnpool-hil recording", "version": 1}\n0.1 jump\n', "line 2: no event is called 'jump'"),
        (b'{"format": "rnnpool-hil recording", "version": 1}\nsoon > 00\n', "line 2: could not convert"),
    ],
)
def test_what_is_no_recording(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "session.txt"
    path.write_bytes(content)
    with pytest.raises(HilError) as caught:
        Recording.load(path)
    assert message in str(caught.value) and str(path) in str(caught.value)


def test_what_cannot_be_read_or_written(tmp_path: Path) -> None:
    with pytest.raises(HilError, match="cannot read the recording"):
        Recording.load(tmp_path / "nowhere.txt")
    (tmp_path / "broken.gz").write_bytes(b"\x1f\x8b and no more")
    with pytest.raises(HilError, match="broken.gz"):
        Recording.load(tmp_path / "broken.gz")
    with pytest.raises(HilError, match="cannot write the recording"):
        Recorder(NativeTarget(F407), tmp_path)
