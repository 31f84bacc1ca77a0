"""Settings that follow from what was found, how fast the machine is, and the minutes there are."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ada3d_gym.experiments.own.collecting import Collection, Found
from ada3d_gym.experiments.own.geometry import Choice, side, timing
from ada3d_gym.experiments.own.proposal import Proposal, Sizes, propose
from ada3d_gym.experiments.own.speeds import Speeds
from ada3d_gym.experiments.own.survey import Survey
from ada3d_gym.video.indexing.probe import Probe
from ada3d_gym.video.sampling import ClipSampler

SIZES = Sizes(train=126, test=27, classes=3, median_seconds=3.0, clip_seconds=2.7)
LAPTOP = Speeds(decode=0.02, train=0.01, pull=0.002, policy=0.004, macs=200_000_000)
GEOMETRY = (
    Choice("backbone", "i3d_tiny", "small"),
    Choice("size", 64, "as the videos"),
    Choice("sampling", "strided", "one rate"),
    Choice("stride", 8, "most of it"),
    Choice("flip", False, "left and right"),
)


def of(videos: list[tuple[int, float]], short: int = 64) -> Survey:
    """A survey of videos by frames and rate."""
    found = tuple(Found(Path(f"/{number}.mp4"), number % 2) for number in range(len(videos)))
    probes = tuple(Probe(frames=frames, rate=rate, width=short, height=2 * short) for frames, rate in videos)
    collection = Collection(Path("/"), ("a", "b"), found, "folders", Counter())
    return Survey(collection, found, probes, (0,) * len(videos), ())


def spans(survey: Survey, frames: int, rate: float) -> float:
    """Seconds from the first to the last frame of a clip."""
    sampling, stride, _ = timing(survey)
    sampler = ClipSampler(8, stride.value, 1, 64, sampling=sampling.value)
    numbers = sampler.frame_numbers(0, 0, frames, rate)
    return float(numbers[-1] - numbers[0]) / rate


@pytest.mark.parametrize("rate", [12, 25, 60])
def test_a_clip_spans_most_of_the_median_video(rate: int):
    survey = of([(int(2.5 * rate), rate)] * 5)
    assert timing(survey)[0].value == "strided"
    assert 0.5 * 2.5 < spans(survey, int(2.5 * rate), rate) < 2.5


def test_at_other_rates_it_spans_the_same_time():
    survey = of([(75, 25), (180, 60), (72, 24), (90, 30)])
    assert timing(survey)[0].value == "pyslowfast"
    assert spans(survey, 180, 60) == pytest.approx(spans(survey, 72, 24), rel=0.1)
    assert 0.5 * 3 < spans(survey, 90, 30) < 3


def test_of_long_videos_frames_do_not_drift_apart():
    survey = of([(3000, 25)] * 4)
    assert timing(survey)[1].value == 6
    assert "0.27 s apart (0.27 s at most, as the paper has it)" in timing(survey)[1].reason


def test_short_videos_are_seen_whole():
    sampling, _, span = timing(of([(10, 10), (12, 10), (200, 10)]))
    assert sampling.value == "whole"
    assert "half of the videos have at most 12 frames" in sampling.reason
    assert span == pytest.approx(1.2)


def test_videos_without_a_rate_are_taken_by_their_frames():
    assert timing(of([(70, 0.0)] * 3))[1].value == 7


@pytest.mark.parametrize(("short", "size"), [(20, 32), (40, 32), (64, 64), (70, 64), (1080, 64)])
def test_frames_are_no_larger_than_the_videos(short: int, size: int):
    assert side(of([(80, 25)] * 3, short)).value == size


def made(minutes: float = 10, speeds: Speeds = LAPTOP, sizes: Sizes = SIZES, **own: Any) -> Proposal:
    return propose(sizes, speeds, minutes, GEOMETRY, own)


def test_what_is_proposed_fits_the_minutes():
    for minutes in (5, 10, 30):
        assert sum(made(minutes).seconds.values()) <= 60 * minutes + 1
    assert made(30).config["scratch"]["minutes"] > made(10).config["scratch"]["minutes"]
    assert "--minutes" in next(each.reason for each in made(5).choices if each.name == "classifier")
    assert "--minutes" not in next(each.reason for each in made(30).choices if each.name == "classifier")
    slow = replace(LAPTOP, train=0.1, pull=0.02, policy=0.04)
    assert made(10, slow).config["agents"]["reinforce"]["epochs"] < made().config["agents"]["reinforce"]["epochs"]
    assert sum(made(10, slow).seconds.values()) < 2 * 600


def test_small_sets_are_not_trained_without_end():
    hour = made(60).config
    updates = hour["agents"]["reinforce"]["epochs"] * -(-126 // 32)
    assert updates <= 500
    larger = made(60, sizes=replace(SIZES, train=1200)).config
    assert larger["agents"]["reinforce"]["epochs"] < hour["agents"]["reinforce"]["epochs"]


def test_what_the_user_says_stands_and_is_called_so():
    proposal = made(size=48, views=2, gamma=9.0)
    assert proposal.config["gamma"] == 9.0
    assert proposal.config["environment"]["size"] == 48
    assert proposal.config["environment"]["views"] == 2
    said = {choice.name for choice in proposal.choices if choice.reason == "as you said"}
    assert said == {"size", "views", "gamma"}
    assert all(choice.reason for choice in proposal.choices)
    assert "as you said" in proposal.table()
    assert proposal.expected.startswith("about ")
