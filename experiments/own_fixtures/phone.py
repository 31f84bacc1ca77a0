"""A folder of class folders with videos as phones and messengers make them: upright and lying, turned by a note in the
file, at several sizes, rates and lengths, in several containers, some with sound, some that skip frames.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

from ada3d_gym.experiments.own_fixtures import coloured
from ada3d_gym.experiments.own_fixtures.tracks import track
from ada3d_gym.experiments.own_fixtures.writing import Recording, each, record
from ada3d_gym.seeding import spawn

CLASSES = {  # names with blanks, as people give them: (look, motion)
    "Rolls left": (None, "left"),
    "Rolls right": (None, "right"),
    "Stripes": ("striped", "drifts"),
}
VIDEOS = 60  # of a class
RATES = (24, 25, Fraction(30_000, 1001), 30, 60)
SIZES = ((320, 180), (180, 320), (426, 240), (240, 426), (480, 270), (320, 240))  # (height, width)
CONTAINERS = {  # (ending, video, sounds)
    ".mp4": ("libx264", "aac"),
    ".mov": ("libx264", "aac"),
    ".mkv": ("libx264", "aac"),
    ".avi": ("mpeg4", "mp3"),
    ".webm": ("libvpx", "libopus"),
}
_COARSE = 4  # times smaller than it is written, a video is drawn


def phone(root: Path, videos: int, seed: int, damaged: bool) -> None:
    """Writes the set.

    Args:
        root: of the folder.
        videos: of each class.
        seed: of all videos.
        damaged: writes two files more that are no whole videos: a video cut off in the middle, and a text.
    """
    planned = [(name, number) for name in CLASSES for number in range(videos)]
    each(planned, lambda item: _write(root, *item, seed), "drawing videos of a phone")
    if damaged:
        whole = next(path for path in sorted(root.glob("*/*.mp4")) if path.stat().st_size > 1000)
        (whole.parent / "IMG_cut.mp4").write_bytes(whole.read_bytes()[:1000])
        (whole.parent / "notes.mp4").write_text("This is a text, whatever its name says.\n")


def _write(root: Path, name: str, number: int, seed: int) -> None:
    rng = np.random.default_rng(spawn(seed, list(CLASSES).index(name), number))
    ending = str(rng.choice(list(CONTAINERS), p=(0.4, 0.25, 0.1, 0.1, 0.15)))
    codec, sound = CONTAINERS[ending]
    rate = RATES[rng.integers(len(RATES))]
    size = SIZES[rng.integers(len(SIZES))]
    frames = int(rng.uniform(1, 6) * rate)
    upright = size[0] > size[1]
    turned = (3 if rng.random() < 0.8 else 1) if upright and ending in (".mp4", ".mov") else 0
    skips = ending in (".mp4", ".mov", ".mkv") and rng.random() < 0.3
    kept = [at for at in range(frames) if at in (0, frames - 1) or rng.random() > 0.2] if skips else None
    shape = size[0] // _COARSE, size[1] // _COARSE
    look, motion = CLASSES[name]
    pictures = coloured.draw(look, track(motion, frames, float(rate), rng), shape, float(rate), rng)
    heard = sound if rng.random() < 0.4 else None
    prefix = ("VID_2026", "IMG_", "PXL_2026", "video-2026-")[rng.integers(4)]
    path = root / name / f"{prefix}{number:04d}{ending}"
    record(path, pictures, Recording(rate, codec, int(rng.integers(24, 32)), size, turned, kept, heard))
