"""What killed processes leave behind goes with the next one."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import kill_commands
import pytest

from hil.errors import HilError
from hil.files import write_text
from hil.firmware.scratch import plain_folder
from hil.leftovers import own_name, sweep
from hil.pools import complete

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs POSIX processes")


def killed_in(code: str, folder: Path) -> None:
    """Run code that kills its own process."""
    command = [sys.executable, "-c", textwrap.dedent(code), str(folder)]
    assert subprocess.run(command, env=os.environ | {"TMPDIR": str(folder)}).returncode == -9


def test_a_file_that_was_being_written_goes_with_the_next_one(tmp_path: Path) -> None:
    killed_in(
        """
        import os, sys
        from pathlib import Path
        from hil.files import writing
        with writing(Path(sys.argv[1]) / "run.json") as file:
            file.write(b"half")
            file.flush()
            os.kill(os.getpid(), 9)
        """,
        tmp_path,
    )
    assert len(list(tmp_path.iterdir())) == 1 and not (tmp_path / "run.json").exists()
    write_text(tmp_path / "other.json", "whole")
    assert [path.name for path in tmp_path.iterdir()] == ["other.json"]


def test_a_command_that_was_killed_ends_the_next_time_as_if_it_had_not_been(tmp_path: Path) -> None:
    kill_commands.set_up(tmp_path / "setting", None, [kill_commands.NETWORK])
    assert kill_commands.campaign("seed", 1, 1, tmp_path / "setting", tmp_path / "trial") == 0


def test_a_kill_campaign_finds_what_is_left_behind_and_what_differs() -> None:
    whole = kill_commands.Left(0, {"made"}, {"made": b"a"})
    halved = kill_commands.Left(1, {"made.part"}, {"made": b"b"})
    assert not list(kill_commands.differences(whole, whole))
    assert [line.split(":")[0] for line in kill_commands.differences(halved, whole)] == [
        "exit code 1, not 0", "left behind", "missing", "another content",
    ]  # fmt: skip


def test_a_build_that_was_killed_leaves_nothing_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    killed_in(
        """
        import os
        from hil.firmware.scratch import plain_folder
        with plain_folder() as folder:
            (folder / "object.o").write_bytes(bytes(9))
            os.kill(os.getpid(), 9)
        """,
        tmp_path,
    )
    assert len(list(tmp_path.iterdir())) == 1
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with plain_folder() as folder:
        assert list(tmp_path.iterdir()) == [folder]
    assert list(tmp_path.iterdir()) == []


def test_what_is_in_use_or_somebody_elses_stays(tmp_path: Path) -> None:
    mine, strange = tmp_path / own_name("x"), tmp_path / "x-what-is-this"
    elsewhere = tmp_path / "x-000000-999999999-01234567"
    for path in (mine, strange, elsewhere):
        path.mkdir()
    sweep(tmp_path, "x*")
    assert mine.is_dir() and strange.is_dir() and elsewhere.is_dir()


def test_a_worker_that_was_killed_is_a_line() -> None:
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    context = multiprocessing.get_context("spawn")
    with pytest.raises(HilError, match="fewer --jobs"), complete(), ProcessPoolExecutor(1, context) as pool:
        pool.submit(os.abort).result()
