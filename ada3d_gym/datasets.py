"""The data sets by name, and their clips."""

from __future__ import annotations

import hashlib
import os
import warnings
from pathlib import Path
from typing import Literal

from ada3d_gym.embedded import EMBEDDED as EMBEDDED
from ada3d_gym.embedded import EMBEDDED_SETS as EMBEDDED_SETS
from ada3d_gym.embedded import MOTIONSHAPES_SIZE as MOTIONSHAPES_SIZE
from ada3d_gym.embedded import count_embedded
from ada3d_gym.embedded import embedded_clips as embedded_clips
from ada3d_gym.embedded import motionshapes_clips as motionshapes_clips
from ada3d_gym.errors import InputError, check_counts, check_flags, check_paths, check_sizes
from ada3d_gym.video.clips import AHEAD_BYTES, VideoClips
from ada3d_gym.video.indexing.index import IndexFileError, VideoIndex
from ada3d_gym.video.motionshapes.drawing import CLASSES
from ada3d_gym.video.motionshapes.files import cache_folder
from ada3d_gym.video.motionshapes.halves import Classes, chosen_classes
from ada3d_gym.video.sampling import ClipSampler, Sampling
from ada3d_gym.video_sets import VIDEO_SETS as VIDEO_SETS
from ada3d_gym.video_sets import short_name, video_set

Protocol = Literal["train", "test"]
RANDOM_VIEWS = 1000  # of a training video
TEST_VIEWS = 10  # the paper's


class DataError(InputError):
    """A data set that is not there, or has not been indexed; the message says what to do."""


def find_root(name: str, data_root: str | Path | None = None) -> Path:
    """The folder of a data set: `data_root`, or what its environment variable names.

    Raises:
        DataError: saying what to download and how to lay it out, where there is none.
    """
    check_paths(data_root=data_root)
    videos = video_set(name)
    given = data_root or os.environ.get(videos.variable)
    if given and Path(given).is_dir():
        return Path(given).absolute()
    where = f"{given} is no folder" if given else f"neither data_root nor {videos.variable} is given"
    raise DataError(
        f"{videos.title}: {where}. Get the videos ({videos.source}); put them anywhere below one folder, with "
        f"{videos.lists} at its top; run 'ada3d index-videos {name} --root FOLDER'; then give "
        f"data_root=FOLDER. Ada3D-MotionShapes-v1 runs at once, without any of this"
    )


def index_path(name: str, root: Path, split: str) -> Path:
    """Where the index of a split is kept."""
    place = hashlib.sha256(os.fsencode(root.absolute())).hexdigest()[:12]
    return cache_folder() / "indexes" / f"{short_name(name)}-{split}-{place}.npz"


def load_index(name: str, root: Path, split: str) -> VideoIndex:
    """The index that `ada3d index-videos` has made, or that of a folder of shards (`ada3d shards`).

    Warns where a list has changed since, or the index is of an earlier version.

    Raises:
        DataError: if there is none, or it cannot be read.
    """
    command = f"ada3d index-videos {name} --root {root}"
    path = _index_file(name, root, split)
    try:
        index = VideoIndex.load(path)
    except IndexFileError as error:
        made_by = f"ada3d shards {name} {root} --root FOLDER_OF_THE_VIDEOS" if path.parent == root else command
        raise DataError(f"{error}: first run '{made_by}'") from error
    if not len(index):
        raise DataError(f"{root}: no video of the {split} split can be used ({index.report})")
    if index.old:
        warnings.warn(
            f"{root}: its index is of an earlier version, without the places of frames in their files, so each clip "
            f"reads a file whole; run '{command}' again",
            stacklevel=2,
        )
    if changed := index.changed_lists:
        warnings.warn(
            f"{', '.join(changed)}: changed since it was indexed, and what was indexed is used; run '{command}' again",
            stacklevel=2,
        )
    return index


def shards_index(name: str, root: Path, split: str) -> Path:
    """Where a folder of shards holds the index of a split."""
    return root / f"{shards_name(name, split)}.npz"


def shards_name(name: str, split: str) -> str:
    """What the files of a split's shards begin with."""
    return f"{short_name(name)}-{split}"


def _index_file(name: str, root: Path, split: str) -> Path:
    if any(root.glob(f"{short_name(name)}-*-000000.tar")):
        if not (path := shards_index(name, root, split)).exists():
            raise DataError(
                f"{root}: holds shards, but not all of {name} {split}: run 'ada3d shards {name}' to its end"
            )
        return path
    return index_path(name, root, split)


def count_videos(name: str, split: str, data_root: str | Path | None = None, classes: Classes | None = None) -> int:
    """How many videos a split has, of all `classes` or some; raises as `embedded_clips` and `video_clips` do."""
    if name in EMBEDDED_SETS:
        return count_embedded(name, split, CLASSES if classes is None else chosen_classes(classes))
    return len(load_index(name, find_root(name, data_root), split))


def observation_side(size: int | None = None) -> int:
    """Of the frames that policies see of video files, in pixels: the paper's 112, or that of smaller clips."""
    return 112 if size is None else min(112, size)


def video_clips(
    name: str,
    split: str = "train",
    *,
    data_root: str | Path | None = None,
    num_frames: int = 8,
    stride: int = 8,
    views: int | None = None,
    videos: int | None = None,
    size: int | None = None,
    observation_size: int | None = None,
    sampling: Sampling = "strided",
    flip: bool = True,
    strict: bool = False,
    protocol: Protocol | None = None,
    max_bad_share: float = 0.01,
    cache_bytes: int = 0,
    workers: int | None = None,
    ahead_bytes: int = AHEAD_BYTES,
    seed: int = 0,
) -> VideoClips:
    """Clips of an indexed split, sampled as in the paper (Sec. 4.1).

    Args:
        name: in `VIDEO_SETS`.
        split: "train" (random clips: short side 256 to 320, a random square, flipped or not), "val" or "test" (evenly
            spread clips, short side 256, the centre square).
        data_root: the data set's folder; by default, the one that its environment variable names.
        num_frames, stride: T, and the distance between frames; for "whole" the stride does not matter.
        views: clips per video. The default is 1,000 for random clips, and the paper's 10 for evenly spread ones.
        videos: use only the first so many videos; all by default.
        size: side of the square; 224 for training, 256 for testing by default. With another size, the short side is
            scaled in proportion.
        observation_size: side of the square that the policy sees, at most `size`; `observation_side(size)` by default.
            It decides which selection network is used, see `ada3d_gym.building.build_trunk`.
        sampling: see `ClipSampler`.
        flip: mirror half of the training clips. Switch it off if classes differ by a direction.
        strict: raise for the first video that the index had to leave out, and for the first clip that cannot be
            decoded, instead of leaving them out.
        max_bad_share: the largest share of the videos, in [0, 1], that may have clips that cannot be decoded. Beyond it
            (and beyond 3 videos, or half of a set of fewer than 6) a training stops; 0 allows none.
        protocol: "train" for random clips or "test" for evenly spread ones; by default, that of the split.
        cache_bytes: space on disk for decoded clips; for test splits, and for sets that are small enough.
        workers: threads that decode; by default `ada3d_gym.workers.default_workers()`.
        ahead_bytes: memory for clips that are decoded ahead; see `VideoClips`.
        seed: of the random clips.

    Raises:
        DataError: for a set that is not there or not indexed.
        ValueError: for a split, number or size that makes no sense.
    """
    if split not in ("train", "val", "test"):
        raise InputError(f"unknown split {split!r}: expected one of train, val, test")
    check_counts(num_frames=num_frames, stride=stride, views=views, videos=videos, workers=workers)
    check_counts(size=size, observation_size=observation_size)
    check_sizes(cache_bytes=cache_bytes, ahead_bytes=ahead_bytes, seed=seed)
    check_flags(flip=flip, strict=strict)
    if not 0 <= max_bad_share <= 1:
        raise InputError(f"max_bad_share={max_bad_share}: expected a share of the videos, 0 to 1")
    root = find_root(name, data_root)
    index = load_index(name, root, split)
    if strict and index.problems:
        first = index.problems[0]
        raise DataError(f"{first.path}: {first.cause}, {first.detail} ({index.report}); strict=False goes without")
    if videos is not None and not 0 < videos <= len(index):
        raise InputError(f"videos={videos} is outside 1 to {len(index)}, the videos of {name} {split}")
    if protocol not in (None, "train", "test"):
        raise InputError(f"unknown protocol {protocol!r}: expected train or test")
    train = (protocol or split) == "train"
    size = size or (224 if train else 256)
    if observation_size is not None and observation_size > size:
        raise InputError(f"observation_size={observation_size}: expected at most the clips' size, {size}")
    scale = size / (224 if train else 256)
    short_side = (round(256 * scale), round(320 * scale)) if train else (size, size)
    views = views or (RANDOM_VIEWS if train else TEST_VIEWS)
    stride = 1 if sampling == "whole" else stride  # so that the same clips have one place in the cache
    sampler = ClipSampler(num_frames, stride, views, size, short_side, train, flip, sampling, seed)
    return VideoClips(
        index if videos is None else index[:videos],
        index.class_names,
        sampler,
        observation_size=observation_size or observation_side(size),
        cache=cache_folder() / "clips" if cache_bytes else None,
        cache_bytes=cache_bytes,
        key={"dataset": name, "split": split},
        dataset=name,
        max_bad_share=None if strict else max_bad_share,
        workers=workers,
        ahead_bytes=ahead_bytes,
    )
