"""The data sets of video files by name, the public ones and those that a module of one's own has registered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ada3d_gym.errors import InputError, did_you_mean
from ada3d_gym.named import imported_module
from ada3d_gym.video.indexing.listing import Reader
from ada3d_gym.video.readers import activitynet, fcvid, kinetics, plain

Metric = Literal["top-1", "mAP"]


@dataclass(frozen=True)
class VideoSet:
    """A data set of video files.

    Attributes:
        name: on command lines; "module:name" of one that a module of one's own registers. `ADA3D_<NAME>`, without the
            module, is the environment variable that may hold its folder.
        title: its own.
        read: its lists.
        lists: the files that `read` wants below the root.
        source: where they come from.
        metric: that is usual for it, as the paper reports it.
    """

    name: str
    title: str
    read: Reader
    lists: str
    source: str
    metric: Metric

    @property
    def variable(self) -> str:
        return f"ADA3D_{short_name(self.name).upper().replace('-', '_')}"


_KINETICS = "kinetics400.csv (or train.csv and val.csv)"
VIDEO_SETS: dict[str, VideoSet] = {
    each.name: each
    for each in (
        VideoSet(
            "fcvid",
            "FCVID",
            fcvid.read,
            f"{fcvid.VIDEOS} and {fcvid.LABELS}, or AR-Net's fcvid_train_split.txt and fcvid_val_split.txt",
            "https://fvl.fudan.edu.cn/dataset/fcvid/list.htm",
            "mAP",
        ),
        VideoSet(
            "activitynet",
            "ActivityNet 1.3",
            activitynet.read,
            f"{activitynet.FILE}, or TSN-style train.txt and val.txt",
            "http://activity-net.org/download.html",
            "mAP",
        ),
        VideoSet(
            "mini-kinetics",
            "Mini-Kinetics-200 (Xie et al.)",
            kinetics.read_mini,
            f"train_ytid_list.txt and val_ytid_list.txt, and Kinetics-400's {_KINETICS}",
            "https://github.com/s9xie/Mini-Kinetics-200",
            "top-1",
        ),
        VideoSet(
            "mini-kinetics-adafocus",
            "Mini-Kinetics (AR-Net, AdaFuse, AdaFocus)",
            kinetics.read_mini_adafocus,
            "mini_train_videofolder.txt and mini_val_videofolder.txt",
            "https://github.com/mengyuest/AR-Net",
            "top-1",
        ),
        VideoSet(
            "kinetics",
            "Kinetics-400",
            kinetics.read,
            _KINETICS,
            "https://github.com/cvdfoundation/kinetics-dataset",
            "top-1",
        ),
        VideoSet(
            "videos",
            "a list of one's own",
            plain.read,
            f"train.csv and val.csv, {plain.ROW}",
            "your own files",
            "top-1",
        ),
    )
}


def video_set(name: str) -> VideoSet:
    """A data set by its name; a module that the name begins with, "module:name", is imported first.

    Raises:
        InputError: for a name that is none, and for a module that cannot be imported.
    """
    if name not in VIDEO_SETS and ":" in name:
        imported_module("data set", name, "module:name, of a module that registers the data set")
    if name not in VIDEO_SETS:
        close = did_you_mean([name], VIDEO_SETS)
        raise InputError(f"unknown data set {name!r}: expected one of {', '.join(VIDEO_SETS)}{close}")
    return VIDEO_SETS[name]


def short_name(name: str) -> str:
    """The name of a data set without its module."""
    return name.rpartition(":")[2]
