"""The tables that ship are of the clips and weights that ship, and say what the network says."""

from __future__ import annotations

import json

import numpy as np
import pytest

from ada3d_gym.bandit import ClipBandit
from ada3d_gym.building import build_bandit
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.croissant import FILE
from ada3d_gym.fingerprints import of_file
from ada3d_gym.masks import all_masks, split_mask
from ada3d_gym.networks.classifier import NetworkClassifier
from ada3d_gym.outcomes.classifier import TableClassifier, check_clips, check_network
from ada3d_gym.outcomes.optima import GAMMAS
from ada3d_gym.outcomes.oracle import best_values
from ada3d_gym.outcomes.table import OutcomeTable, load_table
from ada3d_gym.rewards import MaskReward
from ada3d_gym.shipped import CLASSIFIER_BACKBONES, TABLES, shipped_table
from ada3d_gym.video.clips import VideoClips

SHIPPED = [(backbone, split) for backbone in CLASSIFIER_BACKBONES for split in ("train", "val", "test")]
CLIPS = {"train": 3360, "val": 1120, "test": 2800}
VIDEOS = 56  # of a split, so that no test has to render the others


def table_of(backbone: str, split: str) -> OutcomeTable:
    return load_table(shipped_table("motionshapes", backbone, 8, split))


def live(table: OutcomeTable) -> ClipBandit:
    about = table.about
    return build_bandit(split=about.split, views=about.views, videos=VIDEOS, backbone=about.network, gamma=6.0)


def assert_same(table: OutcomeTable, bandit: ClipBandit, ids: np.ndarray, numbers: np.ndarray) -> None:
    u, v = split_mask(all_masks(8, table.num_stages)[numbers], 8, table.num_stages)
    outcome = bandit.pull(ids, u, v)
    rows = table.rows(ids)
    assert (table.macs[numbers] == outcome.macs).all()
    differ = table.correct(rows, numbers) != outcome.correct
    assert table.is_near_tie(rows[differ], numbers[differ]).all()
    assert differ.mean() < 0.01


@pytest.mark.parametrize(("backbone", "split"), SHIPPED)
def test_random_cells_are_what_the_network_says(backbone: str, split: str):
    table = table_of(backbone, split)
    assert len(table) == CLIPS[split]
    assert table.about.command.startswith("ada3d tabulate Ada3D-MotionShapes-")
    bandit = live(table)
    assert isinstance(bandit.classifier, NetworkClassifier)
    assert isinstance(bandit.source, VideoClips)
    check_network(table, bandit.classifier, "the shipped one")
    check_clips(table, bandit.source)
    rng = np.random.default_rng(0)
    assert_same(table, bandit, rng.integers(len(bandit.source), size=256), rng.integers(table.num_masks, size=256))


@pytest.mark.parametrize(("backbone", "split", "clips"), [("i3d_tiny", "test", 1), ("slowonly_tiny", "train", 5)])
def test_all_masks_of_some_clips_are_what_the_network_says(backbone: str, split: str, clips: int):
    table = table_of(backbone, split)
    bandit = live(table)
    everything = np.arange(table.num_masks)
    for clip in np.random.default_rng(1).integers(len(bandit.source), size=clips):
        for numbers in np.split(everything, 8):
            assert_same(table, bandit, np.full(len(numbers), clip), numbers)


@pytest.mark.parametrize(("backbone", "split"), SHIPPED)
def test_the_optima_that_a_table_states_are_those_of_its_cells(backbone: str, split: str):
    table = table_of(backbone, split)
    assert [each["gamma"] for each in table.about.optima] == [*GAMMAS, *GAMMAS]
    place = next(i for i, each in enumerate(table.about.optima) if (each["cost"], each["gamma"]) == ("usage", 6.0))
    stated = table.about.optima[place]
    values, masks = best_values(table, MaskReward(6.0))
    assert stated["oracle"] == pytest.approx(values.mean())
    assert (table.arrays["optimum"][place] == masks).all()
    assert stated["constant_reward"] < stated["oracle"]


@pytest.mark.parametrize(("backbone", "split"), SHIPPED)
def test_an_environment_on_a_table_pays_as_on_the_network(backbone: str, split: str):
    options = {"videos": VIDEOS, "backbone": backbone, "gamma": 6.0}
    known = build_bandit(split=split, outcomes="table", observation="index", **options)
    assert isinstance(known.classifier, TableClassifier)
    bandit = live(known.classifier.table)
    ids = np.random.default_rng(2).integers(len(known.source), size=64)
    u, v = np.ones((64, 8), np.bool_), np.ones((64, known.num_stages), np.bool_)
    told, asked = known.pull(ids, u, v), bandit.pull(ids, u, v)
    same = told.correct == asked.correct
    assert same.mean() > 0.95
    assert (told.reward[same] == asked.reward[same]).all()
    assert told.regret is not None
    assert (told.regret >= -1e-12).all()


def test_all_tables_are_small_and_described():
    paths = sorted(TABLES.glob("*.safetensors"))
    assert [path.name for path in paths] == sorted(f"motionshapes-{b}-8-{s}.safetensors" for b, s in SHIPPED)
    assert sum(path.stat().st_size for path in paths) < 15e6
    described = json.loads((TABLES / FILE).read_text())
    assert described["license"]
    assert {each["name"]: each["sha256"] for each in described["distribution"]} == {
        path.name: of_file(path) for path in paths
    }


def test_a_table_of_a_network_that_ships_none_is_asked_for_in_vain():
    with pytest.raises(InputError, match=r"no outcome table ships for .* 'ada3d tabulate Ada3D-FCVID-SlowOnly-v0"):
        build_bandit(dataset="fcvid", backbone="slowonly_r50", outcomes="table")
    with pytest.raises(InputError, match=r"2,097,152 masks a clip"):
        build_bandit(num_frames=16, outcomes="table")
