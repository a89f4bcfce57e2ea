"""Machine code that numba kept on disk and that no longer matches the sources.

numba checks a cached function against its own file only, but the hooks are made of functions and constants of several
files. So when any source of a folder or one in it has changed, all of its cached code goes.
"""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

log = logging.getLogger(__name__)

_STAMP = "sources.sha256"
_CACHED = ("*.nbi", "*.nbc")


def forget_stale_code(folder: Path) -> bool:
    """Delete numba's cache of a folder of sources where it was made of others. Returns whether it did."""
    cache = folder / "__pycache__"
    stamp = cache / _STAMP
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(folder.rglob("*.py")))).hexdigest()
    try:
        if stamp.is_file() and stamp.read_text() == digest:
            return False
        cache.mkdir(exist_ok=True)
        for pattern in _CACHED:
            for path in folder.rglob(pattern):
                path.unlink(missing_ok=True)
        stamp.write_text(digest)
    except OSError as error:  # a read-only installation, whose sources do not change either
        log.debug("cannot look after numba's cache in %s: %s", cache, error)
        return False
    return True
