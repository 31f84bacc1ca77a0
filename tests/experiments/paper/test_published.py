"""The paper's figures as its tables print them."""

from __future__ import annotations

from collections import Counter

from ada3d_gym.experiments.paper.published import published
from ada3d_gym.networks.spec import SPECS


def test_every_table_is_there_with_all_its_rows():
    assert Counter(row.table for row in published()) == {"1": 24, "2": 6, "3": 2, "4": 4, "5": 10, "6": 10, "F3": 6}
    assert published("4") == tuple(row for row in published() if row.table == "4")


def test_rows_have_their_types_and_gaps():
    ours = next(row for row in published("1") if row.method == "Ada3D")
    assert (ours.dataset, ours.metric, ours.score, ours.gflops_per_clip) == ("FCVID", "mAP", 81.9, 35.6)
    assert (ours.frames_per_clip, ours.frames, ours.stages_3d) == (8, 5.7, 2.2)
    assert {row.gflops_per_clip for row in published("2")} == {None}
    assert [row.clips_per_video for row in published("2")] == [3, 2.9, 5, 4.2, 10, 7.4]
    assert {row.backbone for row in published()} <= SPECS.keys()
