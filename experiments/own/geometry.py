"""Which frames and pixels clips of one's own videos are made of, from what the videos are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ada3d_gym.experiments.own.survey import Survey
from ada3d_gym.networks.spec import I3D_SMALL, I3D_TINY
from ada3d_gym.video.sampling import PYSLOWFAST_RATE, Sampling

FRAMES = 8  # T of Ada3D-Videos-v0
COVERED = 0.9  # of the median video, by a clip
WIDEST = 8 / PYSLOWFAST_RATE  # seconds between two frames of a clip, the paper's: in longer gaps motions are lost
MIXED = 1.2  # ratio of rates from which on a stride means different times
SIDES = (32, 112)  # pixels that a proposal may choose
SIDE = 64  # the largest that the small selection network is made for
TINY_SIDE = 40  # up to which the smallest network, which does not pool after its first layer, is fast


@dataclass(frozen=True)
class Choice:
    """A setting with the reason for its value."""

    name: str
    value: Any
    reason: str


def timing(survey: Survey) -> tuple[Choice, Choice, float]:
    """Sampling, stride, and the seconds that a clip then spans of the median video."""
    frames = float(np.median(survey.frames))
    seconds = float(np.median(survey.seconds)) if survey.seconds else frames / PYSLOWFAST_RATE
    if frames < 2 * FRAMES:
        why = f"half of the videos have at most {frames:.0f} frames: a clip takes {FRAMES} spread over each whole video"
        whole = Choice("stride", 1, "does not matter where a clip spans the whole video")
        return Choice("sampling", "whole", why), whole, seconds
    gap = min(COVERED * seconds / FRAMES, WIDEST)
    wide = f"{FRAMES} frames {gap:.2g} s apart "
    most = f"span most of the median video ({seconds:.1f} s)"
    wide += most if gap < WIDEST else f"({gap:.2g} s at most, as the paper has it)"
    low, high = np.percentile(survey.rates or [PYSLOWFAST_RATE], [5, 95])
    sampling: Sampling
    if high > MIXED * low:
        sampling, rate = "pyslowfast", PYSLOWFAST_RATE
        why = f"rates differ ({low:.3g} to {high:.3g} frames a second): clips span the same time at any rate"
        unit = ", counted at 30 frames a second"
    else:
        sampling, rate = "strided", float(np.median(survey.rates)) if survey.rates else PYSLOWFAST_RATE
        why, unit = f"all videos have about {rate:.3g} frames a second: every so many frames is the same time", ""
    stride = max(1, int(gap * rate))
    return Choice("sampling", sampling, why), Choice("stride", stride, wide + unit), FRAMES * stride / rate


def side(survey: Survey, most: int = SIDE) -> Choice:
    """Side of a clip's frames: no more than nearly all videos have."""
    short = float(np.percentile(survey.short_sides, 5))
    size = int(min(max(SIDES[0], short // 16 * 16), most))
    if size > short:
        why = f"the least that networks are made for; the videos' short sides are {short:.0f} pixels and are scaled up"
    elif size < most:
        why = f"the videos' short sides begin at {short:.0f} pixels"
    else:
        why = f"what trains in minutes; the videos' short sides begin at {short:.0f} pixels"
    return Choice("size", size, why)


def network(size: int) -> Choice:
    """The 3D network for clips of a size."""
    if size <= TINY_SIDE:
        return Choice("backbone", I3D_TINY.name, f"made for frames as small as {size} pixels")
    return Choice("backbone", I3D_SMALL.name, "trains from scratch in minutes on a laptop")
