"""The serial link to the firmware (docs/link.md): frames, messages, and a client that repeats what the line damaged.

frames.py    bytes on the wire <-> frames: COBS, CRC-32, sequence numbers
layout.py    fields of messages and their ranges, as data; the one decoder
messages.py  payloads <-> dataclasses
bound.py     what an exchange may cost, for any answers
fault.py     the firmware's report of a crash
channel.py   frames over a transport, counted, with time-outs
pace.py      how much to send at once on a line of unknown quality
upload.py    sends the image, as far as credit allows
download.py  results and tensors, piece by piece
results.py   what a board says of itself, and what it found
client.py    hello, infer, provoke
"""

from hil.link.channel import Statistics
from hil.link.client import Client
from hil.link.errors import (
    BadAnswer,
    DeviceFault,
    LinkError,
    LinkTimeout,
    ProtocolError,
    ProtocolMismatch,
    Refused,
    UnexpectedReset,
)
from hil.link.fault import FaultReport
from hil.link.results import Hello, Result

__all__ = [
    "BadAnswer",
    "Client",
    "DeviceFault",
    "FaultReport",
    "Hello",
    "LinkError",
    "LinkTimeout",
    "ProtocolError",
    "ProtocolMismatch",
    "Refused",
    "Result",
    "Statistics",
    "UnexpectedReset",
]
