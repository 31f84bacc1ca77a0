"""From files to labels: each part has its time, and the labels are those of the masks."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.end_to_end import FIGURES, measure, summarise, tiny
from benchmarks.from_files import CHOOSING, PARTS, Case, Way
from benchmarks.reading import reading_parts


@pytest.fixture(scope="module")
def case() -> Case:
    return tiny(videos=3, batches=2, rounds=2)


def test_uppers_labels_are_those_of_whole_clips(case: Case):
    source = case.source()
    scores = case.classifier.scores(source.clips(np.concatenate(case.batches)), *case.everything())
    expected = scores.reshape(6, source.views, -1).mean(1).argmax(1)
    source.close()
    for ahead in (False, True):
        assert Way(case, chooses=False, ahead=ahead)() == [case.class_names[label] for label in expected]


def test_operations_are_those_of_the_drawn_masks_and_of_the_choice(case: Case):
    upper, ours = Way(case, chooses=False), Way(case, chooses=True, seed=3)
    upper(), ours()
    u, v = case.draw(np.random.default_rng(3))
    assert ours.macs == [case.classifier.macs(u, v).sum() + case.clips * ours.selection_macs]
    assert upper.macs == [case.clips * case.classifier.macs(*(mask[:1] for mask in case.everything()))[0]]
    assert 0 < ours.selection_macs < 0.05 * upper.macs[0] / case.clips
    assert [part for part, seconds in upper.parts.wall[0].items() if not seconds] == list(CHOOSING)
    assert all(ours.parts.wall[0][part] > 0 for part in PARTS)


def test_a_row_and_its_summary_hold_every_figure(case: Case):
    rounds: list[int] = []
    row = measure(case, 0, lambda: rounds.append(1))
    assert len(rounds) == case.rounds
    assert 0 < row["operations"] < 1
    assert 0 < row["decoding_share"] < 1
    worse = {**row, "time_over_macs": 9.0, "videos_per_second": 1e-9}
    summary = summarise([row, worse, row])
    assert (summary["time_over_macs"], summary["videos_per_second"]) == (9.0, 1e-9)
    assert summary["motionshapes_time_over_macs"] == row["time_over_macs"]
    assert {"motionshapes_ahead", *FIGURES} <= summary.keys()


def test_every_part_of_reading_is_measured(case: Case):
    parts = reading_parts(case, rounds=1)
    assert parts.pop("videos") == "MotionShapes"
    assert all(milliseconds >= 0 for milliseconds in parts.values())
