"""Packets of GDB's remote serial protocol ("Overview" of the protocol in GDB's manual): $data#checksum."""

from __future__ import annotations

INTERRUPT = b"\x03"
LONGEST = 1 << 14
_NOISE = 1 << 16  # bytes outside of packets, after which nobody speaks the protocol there
_ESCAPE, _XOR = 0x7D, 0x20


class NotTheProtocolError(Exception):
    """Whoever is at the other end does not speak GDB's protocol."""


def packet(data: bytes) -> bytes:
    """Data as a packet, escaped where it must be."""
    escaped = bytearray()
    for byte in data:
        if byte in b"#$}*":
            escaped += bytes((_ESCAPE, byte ^ _XOR))
        else:
            escaped.append(byte)
    return b"$%b#%02x" % (bytes(escaped), sum(escaped) & 0xFF)


class Reader:
    """Takes packets out of a stream of bytes that comes in pieces."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._noise = 0

    def feed(self, data: bytes) -> None:
        """Bytes that have come. Raises NotTheProtocolError for a packet without end, and for very much else."""
        self._held += data
        if len(self._held) > LONGEST and b"#" not in self._held:
            raise NotTheProtocolError(f"sent {len(self._held)} bytes without the end of a packet")

    def next(self) -> bytes | None:
        """The next packet's data, INTERRUPT, or None where none is complete. b"" with a bad checksum: `damaged`."""
        while self._held:
            if self._held[:1] == INTERRUPT:
                del self._held[:1]
                return INTERRUPT
            if self._held[:1] == b"$":
                return self._packet()
            self._noise += self._held[:1] not in (b"+", b"-")
            del self._held[:1]
            if self._noise > _NOISE:
                raise NotTheProtocolError(f"sent {self._noise} bytes that are in no packet")
        return None

    damaged = False  # whether the packet last taken out had another checksum than it says

    def _packet(self) -> bytes | None:
        end = self._held.find(b"#")
        if end < 0 or len(self._held) < end + 3:
            return None
        data, said = bytes(self._held[1:end]), bytes(self._held[end + 1 : end + 3])
        del self._held[: end + 3]
        self.damaged = said.lower() != b"%02x" % (sum(data) & 0xFF)
        return _plain(data)


def _plain(data: bytes) -> bytes:
    plain = bytearray()
    escaped = False
    for byte in data:
        if escaped or byte != _ESCAPE:
            plain.append(byte ^ _XOR if escaped else byte)
            escaped = False
        else:
            escaped = True
    return bytes(plain)
