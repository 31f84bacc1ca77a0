"""What a start proposes for a folder on this machine, kept so that an interrupted one goes on as it was begun."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ada3d_gym.datasets import RANDOM_VIEWS
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.configuration import plain
from ada3d_gym.experiments.folders import begun
from ada3d_gym.experiments.own.collecting import SPLITS, Found, Split
from ada3d_gym.experiments.own.geometry import FRAMES, SIDE, Choice, network, side, timing
from ada3d_gym.experiments.own.proposal import Proposal, Sizes, propose
from ada3d_gym.experiments.own.speeds import measure
from ada3d_gym.experiments.own.survey import Survey
from ada3d_gym.files import replacing
from ada3d_gym.video.clips import VideoClips
from ada3d_gym.video.records import VideoRecord, shown
from ada3d_gym.video.sampling import ClipSampler

PROPOSAL = "proposal.json"  # in a start's folder


def computed(place: Path) -> bool:
    """Whether a start has computed anything that other options or videos would spoil."""
    return begun(place) or any(map(begun, (place / "policies").glob("*")))


def kept_proposal(place: Path, given: dict[str, Any], splits: dict[Split, list[Found]]) -> Proposal | None:
    """The proposal that was made for the same options and videos, so that a start goes on as it was begun.

    Raises:
        InputError: where it cannot be read, and where something was computed from other videos, which is kept.
    """
    path = place / PROPOSAL
    options, ours = _key(given, splits)
    try:
        kept = json.loads(path.read_text())
        theirs = kept["for"][1]
        if kept["for"] == [options, ours]:
            choices = tuple(Choice(**each) for each in kept["proposal"]["choices"])
            return Proposal(kept["proposal"]["config"], choices, kept["proposal"]["seconds"])
        there, here = ({path for split in SPLITS for path in lists[split]} for lists in (theirs, ours))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise InputError(f"{path}: not readable ({error}): delete it, or choose another --output") from error
    if theirs != ours and computed(place):
        changed = [
            f"{len(paths)} {how} as {shown(min(paths))}"
            for paths, how in ((here - there, "new,"), (there - here, "gone,"))
            if paths
        ]
        raise InputError(
            f"{place} holds a start with other videos ({'; '.join(changed) or 'in other splits'}): put back what it "
            "was begun with, or choose another --output"
        )
    return None


def new_proposal(
    place: Path,
    given: dict[str, Any],
    found: Survey,
    splits: dict[Split, list[Found]],
    minutes: float,
    chosen: dict[str, Any],
    device: str,
) -> Proposal:
    """A proposal for this machine, which is kept."""
    print("\ntiming a few steps on this machine, to plan the minutes", flush=True)
    proposal = _new(found, splits, minutes, chosen, device)
    with replacing(place / PROPOSAL, "choose another --output") as part:
        part.write_text(json.dumps({"for": _key(given, splits), "proposal": plain(asdict(proposal))}, indent=1))
    return proposal


def _key(given: dict[str, Any], splits: dict[Split, list[Found]]) -> Any:
    return plain([given, {split: [str(video.path) for video in videos] for split, videos in splits.items()}])


def _new(
    found: Survey, splits: dict[Split, list[Found]], minutes: float, chosen: dict[str, Any], device: str
) -> Proposal:
    sampling, stride, span = timing(found)
    size = side(found)
    geometry = [
        network(chosen["size"] or size.value),
        size,
        sampling,
        stride,
        Choice("flip", False, "left and right may tell classes apart"),
    ]
    its = {each.name: chosen[each.name] if chosen.get(each.name) is not None else each.value for each in geometry}
    records = [
        VideoRecord(
            video.path,
            (video.label,),
            probe.frames,
            size=probe.size,
            width=probe.width,
            height=probe.height,
            rate=probe.rate,
            seekable=probe.seekable,
            packets=probe.packets,
        )
        for video, probe in zip(found.videos, found.probes, strict=True)
    ]
    sampler = ClipSampler(FRAMES, its["stride"], RANDOM_VIEWS, its["size"], random=True, sampling=its["sampling"])
    clips = VideoClips(records, found.class_names, sampler, observation_size=its["size"], max_bad_share=1.0)
    speeds = measure(clips, its["backbone"], min(its["size"], SIDE), device)
    clips.close()
    sizes = Sizes(
        len(splits["train"]),
        len(splits["test"]),
        len(found.class_names),
        float(np.median(found.seconds)) if found.seconds else span,
        span,
    )
    return propose(sizes, speeds, minutes, geometry, chosen)
