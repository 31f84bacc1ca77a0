"""Some classes of MotionShapes as a data set of their own."""

from __future__ import annotations

from collections import Counter

import gymnasium as gym
import numpy as np
import pytest
import torch

import ada3d_gym  # noqa: F401 (registers the ids)
from ada3d_gym.building import build_bandit, build_clips, build_trunk
from ada3d_gym.datasets import count_videos
from ada3d_gym.errors import InputError
from ada3d_gym.observers import IndexObserver
from ada3d_gym.outcomes.table import TableError
from ada3d_gym.sb3.lookup import shared_lookup
from ada3d_gym.video.clips import VideoClips
from ada3d_gym.video.motionshapes.drawing import CLASSES, FAMILIES
from ada3d_gym.video.motionshapes.halves import HALVES, chosen_classes


def names_of(clips: VideoClips) -> list[str]:
    return [clips.class_names[label] for label in clips.labels(np.arange(len(clips), step=clips.views)).tolist()]


def test_halves_share_no_class_and_are_alike_in_kind():
    assert sorted(HALVES["a"] + HALVES["b"]) == sorted(CLASSES)
    for names in HALVES.values():
        kinds = Counter(FAMILIES[CLASSES.index(name)] for name in names)
        assert kinds == {"scene": 2, "object": 2, "motion": 3}


@pytest.mark.parametrize("half", HALVES)
def test_a_half_has_its_videos_in_their_order_and_counts_labels_anew(half: str):
    clips = build_clips("motionshapes", split="val", classes=half, videos=14)
    assert clips.class_names == HALVES[half]
    assert names_of(clips) == [*HALVES[half]] * 2
    whole = build_clips("motionshapes", split="val", videos=28)
    theirs = [record.path for record in whole.records if CLASSES[record.labels[0]] in HALVES[half]]
    assert [record.path for record in clips.records] == theirs
    first = build_clips("motionshapes", split="val", classes=half, videos=3)
    assert first.records == clips.records[:3]


def test_names_are_taken_in_any_form_and_order():
    wanted = ("dots", "left")
    for given in ("left,dots", ["left", "dots"], ("dots", "left"), "dots, left"):
        assert chosen_classes(given) == wanted
    assert chosen_classes("a,cross") == tuple(name for name in CLASSES if name in (*HALVES["a"], "cross"))
    assert chosen_classes(["a", "b"]) == CLASSES
    assert count_videos("motionshapes", "val", classes="a") == 140
    assert count_videos("motionshapes", "val", classes="left,dots") == 40


def test_what_there_is_not_is_named():
    with pytest.raises(InputError, match=r"unknown class of MotionShapes: 'c', 'lefd'; expected .* did you mean left"):
        build_clips("motionshapes", classes="c,lefd")
    with pytest.raises(InputError, match="classes='left': expected at least two"):
        build_clips("motionshapes", classes="left")
    with pytest.raises(InputError, match="classes=3: expected names"):
        build_clips("motionshapes", classes=3)
    with pytest.raises(InputError, match="videos=141 is outside 1 to 140, the videos of motionshapes val of stripes"):
        build_clips("motionshapes", split="val", classes="a", videos=141)
    with pytest.raises(InputError, match="unknown argument for fcvid: classes"):
        build_clips("fcvid", classes="a")


def test_an_environment_on_a_half_pays_by_the_shipped_classifier_at_once():
    env = gym.make("Ada3D-MotionShapes-v1", split="test", classes="b", videos=14)
    env.reset(seed=0)
    names = set()
    right = 0
    for _ in range(14):
        *_, info = env.step(np.ones(13, np.int8))
        names.add(info["label_name"])
        right += info["correct"]
        env.reset()
    assert names <= set(HALVES["b"])
    assert right >= 13
    bandit, whole = (build_bandit(split="test", **given) for given in ({"classes": "b", "videos": 7}, {"videos": 14}))
    ids = np.arange(0, len(bandit.source), 4)
    where = [
        whole.source.records.index(next(r for r in whole.source.records if r.path == bandit.source.record(i).path))
        for i in ids.tolist()
    ]
    masks = np.ones((7, 8), np.bool_), np.ones((7, 5), np.bool_)
    scores = bandit.pull(ids, *masks).scores
    theirs = whole.pull(4 * np.array(where), *masks).scores[:, [CLASSES.index(name) for name in HALVES["b"]]]
    np.testing.assert_allclose(scores, theirs / theirs.sum(1, keepdims=True), atol=1e-5)


def test_numbers_of_clips_mean_those_of_the_half():
    bandit = build_bandit(split="val", classes="b", videos=14, observation="index")
    assert isinstance(bandit.observer, IndexObserver)
    ids = np.array([0, 9, 55])
    lookup = shared_lookup(bandit.observer.naming, "pixels", None, None, device="cpu", table_bytes=2**20)
    shown = lookup(bandit.observer(ids).astype(np.int64))
    assert torch.equal(shown, torch.from_numpy(bandit.source.observations(ids)))


def test_a_table_of_all_classes_is_refused():
    with pytest.raises(TableError, match=r"has 14 classes .* and these videos 7"):
        build_bandit(classes="a", outcomes="table", videos=14)


def test_a_trunk_can_begin_from_random_weights_whatever_ships():
    shipped = build_trunk(8, 32).state_dict()
    drawn, other = (build_trunk(8, 32, "random").state_dict() for _ in range(2))
    key = "mix.0.weight"
    assert not torch.equal(drawn[key], shipped[key])
    assert not torch.equal(drawn[key], other[key])
    with pytest.raises(InputError, match="no weights ship for features"):
        build_bandit(observation="features", features="random", videos=14)
