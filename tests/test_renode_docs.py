"""The commands of docs/renode.md run as they stand, where Renode is; README's are in test_renode_install.py."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from compilers import needs
from doc_blocks import REPOSITORY, block
from gdb_client import GdbClient, until_it_waits
from shell import run_shell, shell

from hil.targets.pyrenode import release
from hil.targets.pyrenode.find import MONO, Installation

PAGE = "docs/renode.md"
pytestmark = [needs("stm32f407_disco"), pytest.mark.xdist_group("renode"), pytest.mark.usefixtures("renode_here")]
MODEL = "rnnpool_face_m4"


def test_installing_running_the_suite_and_the_camera(renode_here: Installation, users_folder: Path) -> None:
    """Nothing is fetched. Of the suite, what tells Renode from the sim."""
    install, run, suite = block(PAGE, "sh", "pytest hil/ --hil-target renode").splitlines()
    if renode_here.path is not None and renode_here.path.is_relative_to(release.home()):
        assert "boots a program" in run_shell(install, users_folder)
    assert "bit-exact" in run_shell(run, users_folder)
    assert "passed" in run_shell(f"{suite} -q -k 'hello_names and stm32f407'", REPOSITORY)
    said = run_shell(block(PAGE, "sh", "hil renode camera"), users_folder)
    assert "photo.jpg: 0." in said and "0 requests repeated" in said


def test_the_comparison_of_the_two_emulators_on_a_classifier(users_folder: Path) -> None:
    """The one of docs/networks.md, untrained."""
    run_shell("hil new-network mine", users_folder)
    run_shell("hil seed --network mine/network.py:make --count 2 --out mine/net.safetensors", users_folder)
    compare = block(PAGE, "sh", "test_two_emulators").partition("  #")[0]
    said = run_shell(f"{compare.replace('hil/', f'{REPOSITORY}/hil/')} --hil-model mine/net.safetensors", users_folder)
    assert "6 passed" in said and "renode: " in said


def test_the_monitor(users_folder: Path) -> None:
    opened, run = block(PAGE, "sh", "hil renode shell").splitlines()
    assert "0.500000 s" in run_shell(f"(echo run 0.5; echo quit) | {opened}", users_folder)
    assert "bit-exact" in run_shell(run.replace("4444", "0"), users_folder)  # any port that is free


def test_gdb(users_folder: Path) -> None:
    run, _ = block(PAGE, "sh", "--gdb 3333").splitlines()  # the suite's: test_renode_gdb.py
    with shell(f"exec 2>&1; {run.replace('3333', '0')}", users_folder) as session:
        _, port = until_it_waits(session)
        client = GdbClient(port)
        assert client.pc
        client.ask("D")
        client.close()
        assert session.stdout is not None
        assert "bit-exact" in session.stdout.read()


@contextmanager
def renode_by_hand(command: str, here: Installation, folder: Path) -> Iterator[None]:
    """`renode SCRIPT` in a terminal, ready. It ends at the end."""
    program = str(here.path or shutil.which("renode"))
    if here.runtime == MONO and here.path is not None:  # a tree that was built; its script may look for .NET
        program = f"mono {here.path / 'output/bin/Release/Renode.exe'}"
    told = command.replace("renode", program, 1)
    with shell(f"exec 2>&1; exec {told} --disable-gui --console --plain", folder) as running:
        assert running.stdin is not None and running.stdout is not None
        said = ""
        while "(stm32f407_disco)" not in said:
            character = running.stdout.read(1)
            assert character, said
            said += character
        yield
        running.stdin.write("quit\n")
        running.stdin.close()
        running.stdout.read()


def test_renode_by_hand(renode_here: Installation, users_folder: Path) -> None:
    """The board of the script that `hil build` writes, at its TCP port, as a real one."""
    by_hand, run = block(PAGE, "sh", "run.resc").splitlines()
    run_shell(f"hil build {MODEL}", users_folder)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
    script = users_folder / by_hand.split()[1]
    script.write_text(script.read_text().replace("$port?=3456", f"$port?={port}"))
    with renode_by_hand(by_hand, renode_here, users_folder):
        assert "bit-exact" in run_shell(run.replace("3456", port), users_folder)
