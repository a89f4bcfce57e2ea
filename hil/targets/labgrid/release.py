"""Releases a place when the process at the other end of standard input is gone, however it went.

A coordinator keeps a place acquired for a client that is no more: nothing but this would free it after kill -9.
"""

from __future__ import annotations

import subprocess
import sys

GOODBYE = b"released"


def watch(where: str, place: str, user: str, token: str) -> subprocess.Popen[bytes]:
    """Start the process. It ends when its standard input does; told GOODBYE before, it does nothing."""
    command = [sys.executable, "-m", "hil.targets.labgrid.release", where, place, user, token]
    return subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)


def dismiss(process: subprocess.Popen[bytes]) -> None:
    """All has been released: let it end."""
    try:
        process.communicate(GOODBYE)
    except OSError:  # somebody has ended it
        process.wait()


def main(where: str, place: str, user: str, token: str) -> None:
    """Wait, then release."""
    from hil.targets.labgrid import coordinator  # at once: not when the machine may be going down

    if sys.stdin.buffer.read() == GOODBYE:
        return
    stub = coordinator.connect(where)
    for call, request in (
        (stub.ReleasePlace, coordinator.pb.ReleasePlaceRequest(placename=place, fromuser=user)),
        (stub.CancelReservation, coordinator.pb.CancelReservationRequest(token=token)),
    ):
        try:
            call(request, timeout=coordinator.ANSWER_S)
        except coordinator.grpc.RpcError as error:
            print(f"labgrid place {place}: {error.details()}", file=sys.stderr)


if __name__ == "__main__":
    main(*sys.argv[1:])
