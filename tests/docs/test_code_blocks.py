"""Every block of Python in README.md and docs/ runs, in the order of its page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.docs.blocks import pages
from tests.docs.world import prepare
from tests.few import show_few
from tests.frugal import frugally

VIDEOS = 28  # of each split of the embedded data sets, in the place of thousands
WHOLE = {"docs/submitting.md"}  # a submission has masks for all test clips
BUILT = {"docs/tutorials/reading-a-benchmark.md"}  # by `make docs` alone: its processes would draw all videos anew
SLOW = {"docs/adaframe.md", "docs/bandits-with-sb3.md", "docs/exporting.md", "docs/tutorials/own-videos.md", *WHOLE}
PAGES = {page: blocks for page, blocks in pages().items() if page not in BUILT}


@pytest.fixture
def few_videos(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the embedded data sets small."""
    if page not in WHOLE:
        show_few(monkeypatch, VIDEOS)


@pytest.mark.usefixtures("few_videos", "unregistered")
@pytest.mark.parametrize("page", [pytest.param(page, marks=[pytest.mark.slow] * (page in SLOW)) for page in PAGES])
def test_the_blocks_of_a_page_run_in_order(page: str, sets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "__main__"}
    changes = prepare(page, sets)
    with frugally():
        for block in PAGES[page]:
            block.run(names, changes)
