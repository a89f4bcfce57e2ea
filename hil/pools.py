"""Worker processes that end before their work does."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

from hil.errors import HilError


@contextmanager
def complete() -> Iterator[None]:
    """Turns a worker that was killed into a HilError. What had been finished has been kept by then."""
    try:
        yield
    except BrokenProcessPool:
        raise HilError(
            "a worker process was ended from outside, as a lack of memory does it: call again with fewer --jobs; it "
            "goes on where it was"
        ) from None
