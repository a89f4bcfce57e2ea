"""onnxruntime without what its import leaves: a note (.ses) among the temporary files, a number in the cache."""

from __future__ import annotations

import os
import sys
import tempfile
from types import ModuleType

_FOLDERS = ("TMPDIR", "XDG_CACHE_HOME")


def load() -> ModuleType:
    """Import it, with a folder for its notes that goes again, and its telemetry off. Raises ImportError."""
    if "onnxruntime" in sys.modules:
        return sys.modules["onnxruntime"]
    before = {name: os.environ.get(name) for name in _FOLDERS}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        os.environ.update(dict.fromkeys(_FOLDERS, folder))
        try:
            import onnxruntime

            onnxruntime.disable_telemetry_events()
        finally:
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})
    loaded: ModuleType = onnxruntime
    return loaded
