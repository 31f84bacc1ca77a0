"""Writes the videos of an indexed set into tar shards in WebDataset's layout, from which environments read as well:

    ada3d shards fcvid /fast/fcvid --root /data/fcvid                      # the files as they are
    ada3d shards fcvid /fast/fcvid-256 --root /data/fcvid --short-side 256 # encoded anew: small, quick to seek in
    ada3d train Ada3D-FCVID-v0 --data-root /fast/fcvid-256

A few hundred large files suit network file systems, which take long to open each of 100,000 small ones. A clip is read
from its place in them, whatever the order. Interrupted and started again, the command goes on after the last shard that
is whole.
"""

from __future__ import annotations

from pathlib import Path

import tyro

from ada3d_gym.datasets import find_root, load_index, shards_index, shards_name
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.cli import run
from ada3d_gym.video.indexing.index import VideoIndex
from ada3d_gym.video.records import shown
from ada3d_gym.video.reencoding import Encoding
from ada3d_gym.video.shards.writing import write_shards
from ada3d_gym.video_sets import video_set
from ada3d_gym.workers import default_workers

SPLITS = ("train", "val", "test")
MOST_KEY_FRAMES = 10_000  # minutes of video, far beyond what any clip is better off with; x264 takes no more than 2^31


def shards(
    name: tyro.conf.Positional[str],
    output: tyro.conf.Positional[Path],
    root: Path | None = None,
    splits: tuple[str, ...] = SPLITS,
    short_side: int | None = None,
    key_frames: int = 32,
    crf: int = 20,
    shard_megabytes: int = 256,
    workers: int | None = None,
    timeout: float = 30.0,
    show: int = 10,
) -> None:
    """Writes shards of a set that `ada3d index-videos` has indexed.

    Args:
        name: of the data set, as for `ada3d index-videos`.
        output: folder for the shards; give it as `--data-root` afterwards.
        root: the data set's folder; what its environment variable names by default.
        splits: train, val, test, or some of them. One that has the videos of another shares its shards.
        short_side: encode the videos anew as H.264, without sound, their short side scaled down to so many pixels; by
            default their files are copied as they are. Clips are then those of the new videos: not the same pixels.
        key_frames: how far apart key frames are in new videos, in frames.
        crf: x264's constant rate factor of new videos; lower is better and larger.
        shard_megabytes: after how many a shard is complete.
        workers: processes that encode; by default the cores of this machine.
        timeout: seconds without any progress after which a video that is encoded is left out.
        show: how many of the videos left out are named for each split; the index names all of them.
    """
    numbers = ("short_side", short_side, 16), ("key_frames", key_frames, 1), ("shard_megabytes", shard_megabytes, 1)
    for option, value, least in (*numbers, ("workers", workers, 1), ("show", show, 0)):
        if value is not None and value < least:
            raise InputError(f"{option}={value}: expected at least {least}")
    video_set(name)  # says now where there is none
    if not splits:
        raise InputError(f"no split is given: expected some of {', '.join(SPLITS)}")
    if wrong := set(splits) - set(SPLITS):
        raise InputError(f"unknown split {min(wrong)!r}: expected some of {', '.join(SPLITS)}")
    if not 0 <= crf <= 51:
        raise InputError(f"crf={crf}: expected 0 to 51")
    if key_frames > MOST_KEY_FRAMES:
        raise InputError(f"key_frames={key_frames}: expected 1 to {MOST_KEY_FRAMES}")
    if not timeout > 0:
        raise InputError(f"timeout={timeout:g}: expected seconds above 0")
    folder = find_root(name, root)
    if folder.resolve() == output.resolve():
        raise InputError(f"{output} holds the videos themselves: choose another folder for the shards")
    encoding = Encoding(short_side, key_frames, crf) if short_side else None
    written: dict[tuple[str, ...], VideoIndex] = {}
    for split in splits:
        index = load_index(name, folder, split)
        if index[0].part:
            raise InputError(f"{folder} holds shards: give the folder of the videos that they were made of")
        videos = tuple(str(record.path) for record in index)
        if (found := written.get(videos)) is not None:
            found.save(shards_index(name, output, split))
        else:
            found = written[videos] = write_shards(
                index,
                folder,
                output,
                shards_name(name, split),
                shard_bytes=shard_megabytes * 10**6,
                encoding=encoding,
                workers=workers or default_workers(),
                timeout=timeout,
            )
        print(shown(f"{split}: {found.report}; {shards_index(name, output, split)}"))
        new = found.problems[len(index.problems) :]
        for problem in new[:show]:
            print(shown(f"  {problem.cause}: {problem.path} ({problem.detail})"))
        if len(new) > show:
            print(f"  and {len(new) - show} more")


if __name__ == "__main__":
    run(shards)
