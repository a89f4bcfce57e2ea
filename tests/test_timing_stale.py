"""The care taken of numba's cache."""

from __future__ import annotations

from pathlib import Path

from hil.timing.compiled.stale import forget_stale_code


def test_cached_code_of_other_sources_is_deleted(tmp_path: Path) -> None:
    source = tmp_path / "hook.py"
    source.write_text("COST = 1\n")
    cache = tmp_path / "__pycache__"
    cache.mkdir()
    compiled = cache / "hook.on_block-10.py311.1.nbc"
    compiled.write_bytes(b"machine code")
    assert forget_stale_code(tmp_path) and not compiled.exists()
    compiled.write_bytes(b"machine code")
    assert not forget_stale_code(tmp_path) and compiled.exists(), "nothing has changed since"
    source.write_text("COST = 2\n")
    assert forget_stale_code(tmp_path) and not compiled.exists()
