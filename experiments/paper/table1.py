"""The paper's Table 1: recognition and operations of Ada3D and its baselines with I3D, for clips of 8 and 16 frames.

    ada3d paper table1
    ada3d paper table1 --id Ada3D-FCVID-v0 --checkpoint I3D_8x8_R50.pkl --device cuda

Rows that the paper leaves out: Fixed, the constant mask that pays best, and Fixed FT, the best constants within Ada3D's
operations and at its accuracy, fine-tuned; Ada3D after its first stage; the 2D network. Every row's operations are of
classifier and selection network together, and random masks spend as much as Ada3D does in all.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from ada3d_gym.experiments.cli import run
from ada3d_gym.experiments.paper.lists import LEARNED, STAGE_1, PaperRuns
from ada3d_gym.experiments.paper.published import PaperRow
from ada3d_gym.experiments.paper.showing import Section, table_command

METHODS = (
    "Upper",
    "2D only",
    "Random",
    "Random FT",
    "Fixed",
    "Fixed FT (same operations)",
    "Fixed FT (same accuracy)",
    STAGE_1,
    LEARNED,
)
LENGTHS = (8, 16)


def by_length(runs: PaperRuns, table: str, network: str, methods: Sequence[str]) -> list[Section]:
    """A part of a table for each length of clips.

    Args:
        runs: are asked for its runs.
        table: its number.
        network: "i3d" or "slowonly".
        methods: its rows.
    """
    found = []
    for frames in LENGTHS:
        env = runs.options.sibling(network, frames)
        rows = {method: runs.rows(method, env=env) for method in methods}
        title = f"Table {table}: {frames} frames a clip ({env})"
        found.append(Section(title, rows, {}, partial(_belongs, table, frames)))
    return found


def _belongs(table: str, frames: int, row: PaperRow) -> bool:
    return row.table == table and row.frames_per_clip == frames


def sections(runs: PaperRuns) -> list[Section]:
    """A part for each length."""
    return by_length(runs, "1", "i3d", METHODS)


table1 = table_command(sections)


if __name__ == "__main__":
    run(table1)
