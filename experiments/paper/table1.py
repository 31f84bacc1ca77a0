"""The paper's Table 1: recognition and operations of Ada3D and its baselines with I3D, for clips of 8 and 16 frames.

    ada3d paper table1
    ada3d paper table1 --id Ada3D-FCVID-v0 --checkpoint I3D_8x8_R50.pkl --device cuda

Rows that the paper leaves out: Fixed, the constant mask that pays best, and Fixed FT, the best constants within Ada3D's
operations and at its accuracy, fine-tuned; Ada3D after its first stage; the 2D network. Every row's operations are of
classifier and selection network together, and random masks spend as much as Ada3D does in all.
"""

from __future__ import annotations

from ada3d_gym.experiments.cli import run
from ada3d_gym.experiments.paper.lists import LEARNED, STAGE_1, PaperRuns
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


def sections(runs: PaperRuns) -> list[Section]:
    """A part for each length."""
    return [_section(runs, frames) for frames in LENGTHS]


def _section(runs: PaperRuns, frames: int) -> Section:
    env = runs.options.sibling("i3d", frames)
    return Section(
        f"Table 1: I3D, {frames} frames a clip ({env})",
        {method: runs.rows(method, env=env) for method in METHODS},
        {},
        lambda row: row.table == "1" and row.frames_per_clip == frames,
    )


table1 = table_command(sections)


if __name__ == "__main__":
    run(table1)
