"""A session with a labgrid coordinator, by its gRPC interface: labgrid's own client is a command, and asynchronous."""

from __future__ import annotations

import os
import queue
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from getpass import getuser
from typing import Any

import grpc
from labgrid.remote.generated import labgrid_coordinator_pb2 as pb
from labgrid.remote.generated import labgrid_coordinator_pb2_grpc as pb_grpc

from hil.targets.base import TargetError

VARIABLE, DEFAULT = "LG_COORDINATOR", "127.0.0.1:20408"  # as labgrid has them
ANSWER_S = 20.0
ALLOCATED, ACQUIRED = 1, 2  # labgrid.remote.common.ReservationState
_OPTIONS = (
    ("grpc.keepalive_time_ms", 7_500),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.use_local_subchannel_pool", 1),  # a coordinator tells clients apart by their connection
)


@dataclass(frozen=True)
class Resource:
    """What an exporter offers: labgrid's class of it, and what it is made with."""

    cls: str
    params: dict[str, Any]


def address() -> str:
    """host:port of the coordinator."""
    given = os.environ.get(VARIABLE, DEFAULT)
    return given if ":" in given else f"{given}:20408"


def connect(where: str) -> pb_grpc.CoordinatorStub:
    """The coordinator's calls."""
    return pb_grpc.CoordinatorStub(grpc.insecure_channel(where, options=_OPTIONS))


class Session:
    """One client of a coordinator, under a name of its own: no other's release is ours.

    Raises TargetError where no coordinator answers; so does every method where it has gone.
    """

    def __init__(self, where: str) -> None:
        self.where = where
        self.user = f"{socket.gethostname()}/{getuser()}-hil-{os.getpid()}-{os.urandom(4).hex()}"
        self.resources: dict[str, Resource] = {}
        self.places: dict[str, Any] = {}
        self._stub = connect(where)
        self._out: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._synced: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._error = ""
        self._count = 0
        self._say(startup=pb.StartupDone(version="2.0", name=self.user))
        self._say(subscribe=pb.Subscribe(all_places=True))
        self._say(subscribe=pb.Subscribe(all_resources=True))
        self._stream = self._stub.ClientStream(iter(self._out.get, None))
        threading.Thread(target=self._listen, daemon=True).start()
        self.sync()

    def sync(self) -> None:
        """Wait until resources and places are as the coordinator has them."""
        self._count += 1
        self._say(sync=pb.Sync(id=self._count))
        while True:
            try:
                number = self._synced.get(timeout=ANSWER_S)
            except queue.Empty:
                number = -1
            if number == self._count:
                return
            if number < 0:
                raise TargetError(
                    f"no labgrid coordinator answers at {self.where} ({self._error or 'silence'}): start "
                    f"labgrid-coordinator, or name it in {VARIABLE}"
                )

    def reserve(self, place: str) -> str:
        """Stand in line for a place. Returns the reservation's token."""
        wish = pb.Reservation.Filter(filter={"name": place})
        answer = self._call("CreateReservation", pb.CreateReservationRequest(filters={"main": wish}, prio=0.0))
        return str(answer.reservation.token)

    def is_ours(self, token: str) -> bool:
        """Whether a reservation has its place; asking keeps it from running out."""
        return self._call("PollReservation", pb.PollReservationRequest(token=token)).reservation.state == ALLOCATED

    def cancel(self, token: str) -> None:
        self._call("CancelReservation", pb.CancelReservationRequest(token=token))

    def acquire(self, place: str) -> None:
        self._call("AcquirePlace", pb.AcquirePlaceRequest(placename=place))

    def release(self, place: str) -> None:
        """Nothing happens where somebody else has it by now."""
        self._call("ReleasePlace", pb.ReleasePlaceRequest(placename=place, fromuser=self.user))

    def close(self) -> None:
        self._out.put(None)
        self._stream.cancel()

    def _say(self, **what: Any) -> None:
        self._out.put(pb.ClientInMessage(**what))

    def _call(self, name: str, request: Any) -> Any:
        try:
            return getattr(self._stub, name)(request, timeout=ANSWER_S)
        except grpc.RpcError as error:
            raise TargetError(f"the labgrid coordinator at {self.where} refuses {name}: {error.details()}") from None

    def _listen(self) -> None:
        """What the coordinator tells, in a thread of its own."""
        try:
            for message in self._stream:
                for update in message.updates:
                    self._take(update)
                if message.HasField("sync"):
                    self._synced.put(message.sync.id)
        except grpc.RpcError as error:
            self._error = str(error.details())
        self._synced.put(-1)

    def _take(self, update: Any) -> None:
        kind = update.WhichOneof("kind")
        if kind == "place":
            self.places[update.place.name] = update.place
        elif kind == "del_place":
            self.places.pop(update.del_place, None)
        elif kind == "resource":
            told = update.resource
            params = {key: _value(value) for key, value in told.params.items()}
            self.resources[_path(told.path)] = Resource(told.cls, params)
        elif kind == "del_resource":
            self.resources.pop(_path(update.del_resource), None)


def matching(place: Any, resources: dict[str, Resource]) -> Iterator[Resource]:
    """The resources that a place has acquired; its list names exporter/group/class/name."""
    for path in place.acquired_resources:
        exporter, group, _, name = path.split("/")
        if (found := resources.get(f"{exporter}/{group}/{name}")) is not None:
            yield found


def _path(path: Any) -> str:
    return f"{path.exporter_name}/{path.group_name}/{path.resource_name}"


def _value(value: Any) -> Any:
    kind = value.WhichOneof("kind")
    return None if kind is None else getattr(value, kind)
