"""The paper's Table 5: what its two training stages are worth, judged by 3 clips of each video.

    ada3d paper table5
    ada3d paper table5 --id Ada3D-FCVID-v0 --checkpoint I3D_8x8_R50.pkl --device cuda

Tr is the training of the selection network alone, FT joint fine-tuning. Without both, masks are random at Ada3D's
operations and the classifier is as it was; with FT alone, the selection network starts in the joint stage.
"""

from __future__ import annotations

from ada3d_gym.experiments.cli import run
from ada3d_gym.experiments.paper.lists import LEARNED, STAGE_1, STAGE_2, PaperRuns
from ada3d_gym.experiments.paper.options import PROTOCOL_CLIPS
from ada3d_gym.experiments.paper.showing import Section, table_command

ROWS = {"Upper": "Upper", "no Tr, no FT": "Random", "Tr": STAGE_1, "FT": STAGE_2, "Tr + FT": LEARNED}
PRINTED = {"no Tr, no FT": "no Tr no FT (row 2 of the table)", "Tr": "Tr only", "FT": "FT only"}


def sections(runs: PaperRuns) -> list[Section]:
    """The table."""
    rows = {name: runs.rows(method, views=PROTOCOL_CLIPS) for name, method in ROWS.items()}
    title = f"Table 5: training stages, {PROTOCOL_CLIPS} clips a video ({runs.options.id})"
    return [Section(title, rows, PRINTED, lambda row: row.table == "5")]


table5 = table_command(sections)


if __name__ == "__main__":
    run(table5)
