"""One request, repeated until it is answered."""

from __future__ import annotations

from collections.abc import Callable

from hil.link.channel import NOISE_PATIENCE, Answer, Channel, is_at_or_after
from hil.link.errors import LinkTimeout, Refused
from hil.link.messages import Message, Refusal, Status, Type


def request(channel: Channel, type: Type, payload: bytes, is_answer: Callable[[Message], bool]) -> Message:
    """Send until the answer comes. Every request is idempotent on the board, so sending again does no harm.

    Raises Refused with the board's reason, LinkTimeout when repetition does not help, BadAnswer for what no board says.
    """
    channel.bound.begin()
    attempts = NOISE_PATIENCE * channel.retries
    for attempt in range(attempts):
        channel.statistics.retries += attempt > 0
        answer = _await(channel, type, channel.send(type, payload), is_answer)
        if answer is not None:
            return answer
    raise LinkTimeout(f"the board did not do what {type.name} asks for, in {attempts} attempts")


def _await(channel: Channel, type: Type, sequence: int, is_answer: Callable[[Message], bool]) -> Message | None:
    """The answer, or None as soon as it is clear that the request has to be sent again."""
    while isinstance(answer := channel.receive(), Answer):
        message = answer.message
        if is_answer(message):
            return message
        if isinstance(message, Refusal) and message.type == type and answer.sequence == sequence:
            raise Refused(str(message))  # another sequence number: of a frame that someone sent before
        if isinstance(message, Status) and (message.is_repeat or is_at_or_after(answer.sequence, sequence)):
            return None  # damaged on its way; or handled, and the answer was lost
    return None
