"""Paths in what a failure leaves: their folders are this computer's affair."""

from __future__ import annotations

import pytest

from hil.failure.stripped import stripped, without_paths


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cannot read /home/ann/nets/net.safetensors: no", "cannot read net.safetensors: no"),
        (r"C:\Users\ann\net.bin is", "net.bin is"),
        ("model at ~/nets/a.bin", "model at a.bin"),
        ("tests/test_it.py::test[a/b]", "tests/test_it.py::test[a/b]"),
        ("1/2 and 3 / 4", "1/2 and 3 / 4"),
        ("'/tmp/a b/c.png'", "'a b/c.png'"),
        ("http://example.org/a/b", "http://example.org/a/b"),
    ],
)
def test_paths_lose_their_folders(text: str, expected: str) -> None:
    assert without_paths(text) == expected
    assert stripped({"a": [text, 1, None]}) == {"a": [expected, 1, None]}
