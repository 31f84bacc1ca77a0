"""The recipe of the classifier for untrimmed videos, and the tables of what their clips tell."""

from __future__ import annotations

from pathlib import Path

import pytest

from ada3d_gym.building import build_bandit
from ada3d_gym.experiments.places import places
from ada3d_gym.experiments.pretrain_untrimmed import pretrain_untrimmed
from ada3d_gym.networks.checkpoints.weights import read_metadata
from ada3d_gym.shipped import UNTRIMMED_CLASSIFIER


def test_the_recipe_writes_weights_that_the_library_loads(tmp_path: Path):
    pretrain_untrimmed(output=tmp_path, epochs=1, videos=2)
    written = tmp_path / UNTRIMMED_CLASSIFIER.name
    build_bandit(dataset="motionshapes-untrimmed", split="test", videos=2, checkpoint=written)
    assert "pretrain_untrimmed" in read_metadata(written)["command"]
    with pytest.raises(ValueError, match="epochs"):
        pretrain_untrimmed(output=tmp_path, epochs=0)


def test_clips_tell_more_inside_their_event_and_masked_ones_cost_less(capsys: pytest.CaptureFixture[str]):
    shares, tops, costs = [], [], []
    for selection in (None, "shipped"):
        places(videos=14, selection=selection)
        lines = [line.split("|")[1:-1] for line in capsys.readouterr().out.splitlines() if "|" in line]
        groups = {cells[0].strip(): [float(cell) for cell in cells[1:]] for cells in lines[-4:]}
        shares.append(groups["outside"][0] + groups["partly"][0] + groups["wholly in the event"][0])
        tops.append(groups["wholly in the event"][1] - groups["outside"][1])
        costs.append(groups["all"][-1])
    assert shares == pytest.approx([100, 100], abs=0.2)
    assert min(tops) > 50
    assert costs[1] < costs[0]
