"""A campaign: the suite on a labgrid farm of simulated boards, two clients at once, while exporter and coordinator die.

    PYTHONPATH=tests python tests/farm_suite.py --boards 8 --clients 2 [--kill exporter|coordinator] [-- -k boot]

Each board is `hil serve` behind a pseudo-terminal, exported by labgrid as a serial port. What stands behind -- goes to
pytest. Says how many tests each client passed, on which boards, and whether all places are free at the end; a board
that had two holders at once would fail its test (farm_marks.py). What is under way when a service is killed fails; a
further client then has to pass. Returns 1 where something of it is not as it should be. tests/test_labgrid.py is the
short version.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from farm import Farm, write_inventory

from hil import board, caches
from hil.firmware.build import build

KIND = "stm32f407_disco"
SHOWN = r"^(?:boards: |FAILED |ERROR |E   .*Error: |.* in \d).*$"  # of what a client says
SUITE = ("-q", "-p", "no:robotframework", "-p", "no:cacheprovider", "--pyargs", "hil.suite", "--hil-at", "all")


def client(farm: Farm, folder: Path, number: int, model: str, more: list[str]) -> subprocess.Popen[str]:
    """One person's pytest, with every board of the farm in the inventory."""
    home = folder / f"client{number}"
    home.mkdir()
    write_inventory(farm, home, KIND)
    (folder / "marks").mkdir(exist_ok=True)
    environment = farm.environment | {
        "LG_COORDINATOR": farm.address,
        "FARM_MARKS": str(folder / "marks"),
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), farm.environment["PYTHONPATH"]]),
    }
    command = [sys.executable, "-m", "pytest", "-p", "farm_marks", *SUITE, "--hil-model", model, *more]
    return subprocess.Popen(
        command, cwd=home, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def kill(farm: Farm, which: str, after_s: float) -> None:
    """Kill one of labgrid's two services, and start it again."""
    time.sleep(after_s)
    print(f"killing the {which}, holders {farm.holders()}", flush=True)
    if which == "coordinator":
        farm.restart_coordinator()
    else:
        farm.kill(farm.exporter)
        farm.start_exporter()
    print(f"the {which} is back", flush=True)


def heard(one: subprocess.Popen[str], end: float) -> str:
    """What a client says until it ends; past `end`, of the clock, it is stopped, and says how far it came."""
    for stop in (lambda: None, lambda: one.send_signal(signal.SIGINT), one.kill):
        stop()
        try:
            return one.communicate(timeout=max(30.0, end - time.monotonic()))[0]
        except subprocess.TimeoutExpired:
            continue
    return ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="rnnpool_face_m4")
    parser.add_argument("--boards", type=int, default=8)
    parser.add_argument("--clients", type=int, default=2)
    parser.add_argument("--kill", choices=("exporter", "coordinator"))
    parser.add_argument("--after", type=float, default=60.0, metavar="SECONDS")
    parser.add_argument("--most", type=float, default=3000.0, metavar="SECONDS", help="that clients may take")
    own, more = sys.argv[1:], []
    if "--" in own:
        own, more = own[: own.index("--")], own[own.index("--") + 1 :]
    asked = parser.parse_args(own)
    firmware = build(asked.model, board.load(KIND).name)
    with tempfile.TemporaryDirectory() as name:
        folder, begun = Path(name), time.monotonic()
        os.environ.setdefault(caches.VARIABLE, str(caches.root()))
        farm = Farm(folder, firmware.elf, asked.boards)
        try:
            print(f"{asked.boards} boards at {farm.address} after {time.monotonic() - begun:.0f} s", flush=True)
            clients = [client(farm, folder, i, asked.model, more or ["-n", "auto"]) for i in range(asked.clients)]
            if asked.kill:
                threading.Thread(target=kill, args=(farm, asked.kill, asked.after), daemon=True).start()
            said = [heard(one, begun + asked.most) for one in clients]
            if asked.kill:
                clients.append(client(farm, folder, asked.clients, asked.model, more or ["-n", "auto"]))
                said.append(heard(clients[-1], time.monotonic() + asked.most))
            left = farm.holders()
        finally:
            farm.end()
    judged = clients[-1:] if asked.kill else clients
    is_good = not left and all(one.returncode == 0 for one in judged)
    for number, text in enumerate(said):
        lines = text.splitlines() if clients[number] in judged and not is_good else re.findall(SHOWN, text, re.M)
        print(f"client {number}, exit {clients[number].returncode}:", *lines, sep="\n")
    print(f"places still held: {left or 'none'}; {time.monotonic() - begun:.0f} s")
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
