"""Locks: one process at a time, who holds it, links not followed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hil import caches
from hil.errors import HilError
from hil.locks import HeldError, Lock, held


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(caches.VARIABLE, str(tmp_path / "cache"))


def test_a_second_lock_of_the_same_thing_is_told_who_holds_it() -> None:
    one, other = Lock("the build in here"), Lock("the build in here")
    one.acquire()
    assert one.is_held and not one.is_free() and not other.is_held and not other.is_free()
    with pytest.raises(HeldError, match=rf"the build in here is in use by process {os.getpid()} \(.*0 s that this run"):
        other.acquire(0)
    one.release()
    assert other.is_free()
    other.acquire(0)
    assert other.is_held
    other.release()


def test_two_things_have_two_locks() -> None:
    with held("one"), held("another"):
        assert not Lock("one").is_free() and not Lock("another").is_free()
    assert Lock("one").is_free()


def test_it_ends_with_its_process_however_that_ends() -> None:
    code = "from hil.locks import Lock; lock = Lock('it'); lock.acquire(); print('held', flush=True); input()"
    holder = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    lock = Lock("it")
    with pytest.raises(HeldError, match=f"process {holder.pid}"):
        lock.acquire(0)
    holder.kill()
    holder.communicate()
    lock.acquire(0)
    assert str(os.getpid()) in lock.holder(), "the dead one's name is gone"
    lock.release()


@pytest.mark.skipif(os.name == "nt", reason="needs symbolic links")
def test_a_planted_link_is_not_followed(tmp_path: Path) -> None:
    lock = Lock("it")
    victim = tmp_path / "victim"
    victim.write_text("precious")
    lock.path.symlink_to(victim)
    with pytest.raises(HilError, match=r"cannot lock .*remove it and try again"):
        lock.acquire(0)
    assert victim.read_text() == "precious"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}', "\udcff"])
def test_a_damaged_note_of_the_holder_is_no_error(text: str) -> None:
    lock = Lock("it")
    lock.path.with_suffix(".json").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert lock.holder() == ""
    lock.acquire(0)
    assert json.loads(lock.path.with_suffix(".json").read_text())["pid"] == os.getpid()
    lock.release()
