"""The paper's Table 4: Ada3D with SlowOnly, a network of two 3D stages, for clips of 8 and 16 frames.

    ada3d paper table4
    ada3d paper table4 --id Ada3D-FCVID-v0 --slowonly-checkpoint SLOWONLY_8x8_R50.pkl --device cuda

The paper has Upper and Ada3D. Beside them stand random and constant masks at Ada3D's operations, fine-tuned.
"""

from __future__ import annotations

from ada3d_gym.experiments.cli import run
from ada3d_gym.experiments.paper.lists import LEARNED, PaperRuns
from ada3d_gym.experiments.paper.showing import Section, table_command
from ada3d_gym.experiments.paper.table1 import by_length

METHODS = ("Upper", "Random FT", "Fixed", "Fixed FT (same operations)", "Fixed FT (same accuracy)", LEARNED)


def sections(runs: PaperRuns) -> list[Section]:
    """A part for each length."""
    return by_length(runs, "4", "slowonly", METHODS)


table4 = table_command(sections)


if __name__ == "__main__":
    run(table4)
