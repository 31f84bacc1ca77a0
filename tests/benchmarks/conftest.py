"""Benchmarks as tests run them: in a process of many others."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="package", autouse=True)
def allocator_as_it_was() -> Iterator[None]:
    """What a benchmark tells glibc holds until the process ends, and would spoil what later tests measure of memory."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("end_to_end", "masked_inference", "selection"):
            patch.setattr(f"benchmarks.{name}.keep_freed_memory", lambda: None)
        yield
