"""What plain 3D networks reach from scratch on one's own videos, in the time that `ada3d train` has and on its clips:

    python -m benchmarks.from_scratch /data/mine --minutes 8 --size 64 --stride 4
    python -m benchmarks.from_scratch /data/mine --quick

Rivals are torchvision's r3d_18 with random weights and a small network of five convolutions. AdamW trains them on
random clips (start, scale and square, nothing is mirrored) until the time is up, under a cosine over that time.
They are judged on the test videos as `ada3d evaluate` judges. Their training clips are decoded before the time begins,
so that they never wait; the table says how long that took.
"""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass
from json import dumps
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tabulate import tabulate
from torch.nn import functional as F

from ada3d_gym.bandit import ClipBandit
from ada3d_gym.datasets import count_videos, video_clips
from ada3d_gym.devices import checked_device
from ada3d_gym.errors import InputError
from ada3d_gym.evaluation import evaluate
from ada3d_gym.experiments.cli import run
from ada3d_gym.experiments.timing import Timed, milliseconds
from ada3d_gym.files import replacing
from ada3d_gym.progress import Progress, counted
from ada3d_gym.rewards import MaskReward
from ada3d_gym.seeding import spawn, torch_seed
from ada3d_gym.video.clips import VideoClips
from ada3d_gym.video.sampling import Sampling
from benchmarks.plain import RIVALS, Name, PlainClassifier

WARM_UP = 0.05  # share of the time in which the learning rate rises


@dataclass(frozen=True)
class Standing:
    """What a rival reached.

    Attributes:
        top1: of videos, the scores of their clips averaged.
        by_class: top-1 of single clips, by class.
        macs: of a clip.
        milliseconds: a clip, measured in batches on one thread.
        parameters: of the network.
        epochs: passes through the training videos, one clip of each.
        minutes: of training.
        loss: mean of the last epoch's updates, or of all if there was none.
    """

    rival: str
    top1: float
    by_class: dict[str, float]
    macs: int
    milliseconds: float
    parameters: int
    epochs: float
    minutes: float
    loss: float


def from_scratch(
    data_root: Path,
    /,
    minutes: float = 8.0,
    size: int = 64,
    rivals: tuple[Name, ...] = ("r3d_18", "small3d"),
    num_frames: int = 8,
    stride: int = 8,
    sampling: Sampling = "strided",
    views: int = 6,
    test_views: int = 10,
    videos: int | None = None,
    seed: int = 0,
    device: str = "cpu",
    quick: bool = False,
    json: Path | None = None,
) -> None:
    """Trains and judges the rivals.

    Args:
        data_root: folder of an indexed set of one's own ("ada3d index-videos videos").
        minutes: of training, for each.
        size: side of the clips, in pixels.
        rivals: which.
        num_frames, stride, sampling: of the clips, as `ada3d train` has them.
        views: random clips of each training video, all decoded before.
        test_views: clips of each test video.
        videos: only the first so many of each split.
        seed: of weights and clips.
        device: where networks run.
        quick: a few videos, seconds and clips, to see that it works.
        json: file that gets the figures too.
    """
    device = checked_device(device)
    if not 0 < minutes < math.inf or views < 1:
        raise InputError(f"minutes={minutes:g}, views={views}: expected more than 0 minutes and at least 1 view")
    if quick:
        minutes, views, test_views = min(minutes, 0.05), 2, 2
        videos = min(videos or 24, *(count_videos("videos", split, data_root) for split in ("train", "test")))
    reading: dict[str, Any] = {"data_root": data_root, "num_frames": num_frames, "stride": stride}
    reading |= {"sampling": sampling, "size": size, "videos": videos}
    begun = time.perf_counter()
    train = video_clips("videos", "train", **reading, views=views, flip=False, seed=seed)
    bank = _decoded(train)
    decoding = time.perf_counter() - begun
    test = video_clips("videos", "test", **reading, views=test_views)
    standings = []
    for name in rivals:
        classifier, epochs, loss = _trained(name, len(train.class_names), bank, minutes, seed, device)
        bandit = ClipBandit(test, classifier, MaskReward(1.0))
        found = evaluate(bandit, lambda shown: np.ones((len(shown), num_frames + 1), np.int8), batch_size=32)
        standings.append(
            Standing(
                rival=name,
                top1=found.top1,
                by_class={each: usage.clip_top1 for each, usage in found.by_class.items()},
                macs=int(found.usage.macs),
                milliseconds=milliseconds(bandit, {name: Timed.everything(bandit)})[name][0],
                parameters=sum(each.numel() for each in classifier.network.parameters()),
                epochs=epochs,
                minutes=minutes,
                loss=loss,
            )
        )
    test.close()
    print(_table(standings))
    count = len(bank.labels) * views
    print(f"decoding {count:,} training clips took {decoding:.0f} s, which no rival was charged for")
    if json:
        settings = reading | {"data_root": str(data_root), "views": views, "test_views": test_views, "seed": seed}
        content = {"settings": settings, "decoding_seconds": decoding, "rivals": [asdict(each) for each in standings]}
        with replacing(json) as part:
            part.write_text(dumps(content, indent=1) + "\n")


@dataclass(frozen=True)
class Bank:
    """Decoded training clips.

    Attributes:
        clips: (V, views, T, 3, size, size) uint8.
        labels: (V,) int64.
    """

    clips: NDArray[np.uint8]
    labels: NDArray[np.int64]


def _decoded(source: VideoClips) -> Bank:
    """Every view of the videos; clips that cannot be decoded have stand-ins."""
    videos = np.arange(len(source)).reshape(-1, source.views)
    clips = np.empty((*videos.shape, source.num_frames, 3, source.size, source.size), np.uint8)
    labels = np.empty(len(videos), np.int64)
    for number, ids in enumerate(counted(videos, len(videos), "decoding training clips", "video")):
        source.expect(videos[number : number + 8].ravel())
        ids = source.usable(ids)
        clips[number], labels[number] = source.clips(ids), source.labels(ids)[0]
    source.close()
    return Bank(clips, labels)


def _trained(
    name: Name, classes: int, bank: Bank, minutes: float, seed: int, device: str
) -> tuple[PlainClassifier, float, float]:
    """A rival after so many minutes, how many epochs these were, and its loss in the last of them."""
    recipe = RIVALS[name]
    count, views, frames, _, size, _ = bank.clips.shape
    with torch_seed(spawn(seed, 0)):
        classifier = PlainClassifier(recipe.make(classes), frames, size, device)
    network = classifier.network.train()
    optimizer = torch.optim.AdamW(network.parameters(), recipe.lr, weight_decay=recipe.weight_decay)
    rng = np.random.default_rng(spawn(seed, 1))
    losses: list[float] = []
    order = np.empty(0, np.int64)
    begun, limit = time.perf_counter(), 60 * minutes
    seconds = round(limit)
    with Progress(seconds, f"training {name}", "second") as progress:
        while (spent := time.perf_counter() - begun) < limit:
            progress.reach(min(round(spent), seconds))
            optimizer.param_groups[0]["lr"] = recipe.lr * _schedule(spent / limit)
            if len(order) < min(recipe.batch, count):
                order = np.concatenate([order, rng.permutation(count)])
            batch, order = order[: recipe.batch], order[recipe.batch :]
            shown = torch.from_numpy(bank.clips[batch, rng.integers(views, size=len(batch))])
            loss = F.cross_entropy(network(classifier.shown(shown)), torch.from_numpy(bank.labels[batch]).to(device))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            progress.doing(f"epoch {len(losses) * recipe.batch / count:.1f}, loss {losses[-1]:.2f}")
        progress.reach(seconds)
    last = losses[-max(1, count // recipe.batch) :]
    return classifier, len(losses) * recipe.batch / count, float(np.mean(last))


def _schedule(done: float) -> float:
    """Share of the learning rate: a rise, then half a cosine."""
    if done < WARM_UP:
        return max(done, 0.01 * WARM_UP) / WARM_UP
    return 0.5 * (1 + math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP)))


def _table(standings: list[Standing]) -> str:
    rows = [
        {
            "rival": each.rival,
            "top-1": f"{100 * each.top1:.1f} %",
            "MMACs a clip": f"{each.macs / 1e6:,.0f}",
            "ms a clip": f"{each.milliseconds:.1f}",
            "parameters": f"{each.parameters / 1e6:.2f} M",
            "epochs": f"{each.epochs:.1f}",
            "minutes": f"{each.minutes:.1f}",
            "last loss": f"{each.loss:.2f}",
        }
        for each in standings
    ]
    return tabulate(rows, headers="keys", disable_numparse=True)


if __name__ == "__main__":
    run(from_scratch)
