"""The paper's Table 6: what each head of the selection network is worth, judged by 3 clips of each video.

    ada3d paper table6
    ada3d paper table6 --id Ada3D-FCVID-v0 --checkpoint I3D_8x8_R50.pkl --device cuda

Random masks stand for a head that is not learned, at Ada3D's usage; the classifier is fine-tuned in every row but
Upper. The paper's text does not say which of its two rows with one learned head is which.
"""

from __future__ import annotations

from ada3d_gym.experiments.cli import run
from ada3d_gym.experiments.paper.lists import LEARNED, PaperRuns
from ada3d_gym.experiments.paper.options import PROTOCOL_CLIPS
from ada3d_gym.experiments.paper.showing import Section, table_command

ROWS = {
    "Upper": "Upper",
    "no head": "Random FT",
    "3D stages": "stages learned",
    "frames": "frames learned",
    "both": LEARNED,
}
PRINTED = {
    "no head": "random 3D + random frame",
    "3D stages": "one learned head (row 3)",
    "frames": "one learned head (row 4)",
    "both": "both heads learned",
}


def sections(runs: PaperRuns) -> list[Section]:
    """The table."""
    rows = {name: runs.rows(method, views=PROTOCOL_CLIPS) for name, method in ROWS.items()}
    title = f"Table 6: learned heads, {PROTOCOL_CLIPS} clips a video ({runs.options.id})"
    return [Section(title, rows, PRINTED, lambda row: row.table == "6")]


table6 = table_command(sections)


if __name__ == "__main__":
    run(table6)
