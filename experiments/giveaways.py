"""What gives classes of MotionShapes away where they do not show: a motion without its motion, and in untrimmed videos
any class outside its event:

    ada3d giveaways

The direction or sense of a motion is to be seen between frames, and nowhere else. Gradient-boosted trees are asked for
it from what a careless drawing or encoding could leave: colours, one frame's look, sizes of the file and of each
packet. Cross-validated accuracy beside chance; the probe that finds the speed shows that it finds what there is.
"""

from __future__ import annotations

from collections.abc import Callable

import av
import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import cross_val_predict
from tabulate import tabulate

from ada3d_gym.errors import InputError
from ada3d_gym.experiments.cli import run
from ada3d_gym.progress import counted
from ada3d_gym.video.decoders.video import Video
from ada3d_gym.video.motionshapes import UNTRIMMED, motionshapes
from ada3d_gym.video.motionshapes.drawing import CLASSES, FRAMES, MOTIONS
from ada3d_gym.video.records import VideoRecord

Features = Callable[[VideoRecord], NDArray[np.float32]]


def colours(record: VideoRecord) -> NDArray[np.float32]:
    """Mean and deviation of each channel, over the video and over time, (12,)."""
    frames = _frames(record)
    means = frames.mean((1, 2))
    return np.concatenate([means.mean(0), means.std(0), frames.mean((0, 1, 2)), frames.std((0, 1, 2))])


def one_frame(record: VideoRecord) -> NDArray[np.float32]:
    """A frame in the middle, averaged to 16 by 16 pixels, (768,)."""
    frame = Video(record.path).read([FRAMES // 2])[0].astype(np.float32)
    size = frame.shape[0] // 16
    small: NDArray[np.float32] = frame.reshape(16, size, 16, size, 3).mean((1, 3)).ravel()
    return small


def packets(record: VideoRecord) -> NDArray[np.float32]:
    """Bytes of the file and of each packet, in decoding order, (1 + F,)."""
    with av.open(str(record.path)) as container:
        sizes = [packet.size for packet in container.demux(video=0) if packet.size]
    return np.array([record.path.stat().st_size, *sizes[:FRAMES]], np.float32)


def outside_event(record: VideoRecord) -> NDArray[np.float32]:
    """Of every eighth frame outside an event the mean and deviation of each channel, and of packets there the mean and
    deviation of their bytes, (8,)."""
    first, end = record.visible or (0, 0)
    outside = np.delete(np.arange(record.frames), range(first, end))
    frames = Video(record.path).read(outside[::8]).astype(np.float32)
    sizes = _sizes(record)[outside]
    spread = np.array([sizes.mean(), sizes.std()], np.float32)
    return np.concatenate([frames.mean((0, 1, 2)), frames.std((0, 1, 2)), spread])


def beside_event(record: VideoRecord) -> NDArray[np.float32]:
    """What an event could leave next to it: the frames before and after it, averaged to 8 by 8 pixels, and bytes of the
    12 packets on each side, (408,); NaN beyond the video."""
    first, end = record.visible or (0, 0)
    frames, sizes = np.full((2, 192), np.nan, np.float32), np.full(record.frames + 24, np.nan, np.float32)
    for row, number in enumerate((first - 1, end)):
        if 0 <= number < record.frames:
            frame = Video(record.path).read([number])[0].astype(np.float32)
            frames[row] = frame.reshape(8, 8, 8, 8, 3).mean((1, 3)).ravel()
    sizes[12:-12] = _sizes(record)
    return np.concatenate([*frames, sizes[first : first + 12], sizes[end + 12 : end + 24]])


def _sizes(record: VideoRecord) -> NDArray[np.float32]:
    """Bytes of each frame's packet, in the order in which frames are shown."""
    with av.open(str(record.path)) as container:
        packets_ = [(packet.pts or 0, packet.size) for packet in container.demux(video=0) if packet.size]
    return np.array([size for _, size in sorted(packets_)], np.float32)


def _frames(record: VideoRecord) -> NDArray[np.float32]:
    return Video(record.path).read(range(FRAMES)).astype(np.float32)


UNTRIMMED_PROBES: dict[str, Features] = {"outside the event": outside_event, "next to the event": beside_event}
PROBES: dict[str, Features] = {"colours": colours, "one frame": one_frame, "sizes of file and packets": packets}
TARGETS: dict[str, Callable[[VideoRecord], str]] = {
    "class": lambda record: CLASSES[record.labels[0]],
    "left or right": lambda record: CLASSES[record.labels[0]],
    "up or down": lambda record: CLASSES[record.labels[0]],
    "sense of turning": lambda record: CLASSES[record.labels[0]],
    "turning or not": lambda record: str("clockwise" in CLASSES[record.labels[0]]),
    "speed": lambda record: record.speed,
}
UNTRIMMED_TARGETS: dict[str, Callable[[VideoRecord], str]] = {
    "any class": lambda record: CLASSES[record.labels[0]],
    "family": lambda record: record.family,
}
_CLASSES: dict[str, tuple[str, ...]] = {  # that a target is asked of; the motions by default
    "left or right": MOTIONS[:2],
    "up or down": MOTIONS[2:4],
    "sense of turning": MOTIONS[4:],
    "any class": CLASSES,
    "family": CLASSES,
}


def giveaways(videos: int = 3360, folds: int = 5, seed: int = 0) -> None:
    """Prints the table.

    Args:
        videos: of each training split, all classes; of the trimmed ones those of the motions count.
        folds: of the cross-validation.
        seed: of the trees and the folds.
    """
    if folds < 2:
        raise InputError(f"folds={folds}: expected at least 2")
    records = [record for record in motionshapes("train", videos) if record.family == "motion"]
    rows = []
    for name, features in PROBES.items():
        found = np.stack([features(record) for record in counted(records, len(records), name, "video")])
        rows.append([name, *(_accuracy(found, records, target, folds, seed) for target in TARGETS)])
    print(tabulate(rows, ["", *TARGETS], tablefmt="github", disable_numparse=True))
    print()
    records = UNTRIMMED.records("train", min(videos, UNTRIMMED.splits["train"]))
    rows = []
    for name, features in UNTRIMMED_PROBES.items():
        found = np.stack([features(record) for record in counted(records, len(records), name, "video")])
        rows.append([name, *(_accuracy(found, records, target, folds, seed) for target in UNTRIMMED_TARGETS)])
    print(tabulate(rows, ["untrimmed", *UNTRIMMED_TARGETS], tablefmt="github", disable_numparse=True))


def _accuracy(found: NDArray[np.float32], records: list[VideoRecord], target: str, folds: int, seed: int) -> str:
    """Cross-validated accuracy in percent, ± half a 95 % interval, and the share of the commonest answer."""
    names = np.array([CLASSES[record.labels[0]] for record in records])
    rows = np.isin(names, _CLASSES.get(target, MOTIONS))
    wanted = np.array([(TARGETS | UNTRIMMED_TARGETS)[target](record) for record in records])[rows]
    model = HistGradientBoostingClassifier(random_state=seed, max_iter=60)
    right = cross_val_predict(model, found[rows], wanted, cv=folds) == wanted
    chance = max(np.unique(wanted, return_counts=True)[1]) / len(wanted)
    half = 1.96 * np.sqrt(right.mean() * (1 - right.mean()) / len(right))
    return f"{100 * right.mean():.1f} ± {100 * half:.1f} (chance {100 * chance:.1f})"


if __name__ == "__main__":
    run(giveaways)
