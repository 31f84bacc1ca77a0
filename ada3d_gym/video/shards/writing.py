"""Writes shards: tar files of videos and of what is known of them, each whole or not at all."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from ada3d_gym.errors import InputError
from ada3d_gym.files import replacing, writing
from ada3d_gym.fingerprints import of_videos
from ada3d_gym.progress import counted
from ada3d_gym.video.indexing.archives import Archives
from ada3d_gym.video.indexing.index import Problem, VideoIndex, figures
from ada3d_gym.video.indexing.probe import Probe
from ada3d_gym.video.records import VideoRecord
from ada3d_gym.video.reencoding import Encoding
from ada3d_gym.video.shards.contents import Content, copies, encoded

ELSEWHERE = "choose another folder"
PLACE = {"number", "offset", "size", "frames", "width", "height", "seekable", "packets"}  # of each video in a shard
Waiting = tuple[int, VideoRecord, Content]  # to go into a shard, with its number


@dataclass
class Shard:
    """A shard that is written.

    Attributes:
        about: what shaped it; one of other videos or options is not gone on with.
        end: the first video, counted over the split, that is not in it nor in those before.
        total: its bytes.
        made: when (nanoseconds since 1970).
        videos: of each in it, its number, place (offset, size) and what is known of it.
        problems: of those left out: path, cause, detail.
    """

    about: dict[str, Any]
    end: int = 0
    total: int = 0
    made: int = 0
    videos: list[dict[str, Any]] = field(default_factory=list)
    problems: list[tuple[str, str, str]] = field(default_factory=list)


def write_shards(
    index: VideoIndex,
    root: Path,
    folder: Path,
    name: str,
    *,
    shard_bytes: int,
    encoding: Encoding | None = None,
    workers: int = 1,
    timeout: float = 30.0,
) -> VideoIndex:
    """Writes the videos of an index into `folder/NAME-000000.tar` and so on, and their index into `folder/NAME.npz`.

    Interrupted, it goes on after the last shard that is whole. In a shard, video 12 is the members `00000012.mp4` and
    `00000012.json` (path, labels and their names, frames, rate, width, height).

    Args:
        index: of the videos.
        root: their folder; it is not part of what they are called in the shards.
        folder: for the shards, and nothing else.
        name: of the shards.
        shard_bytes: after how many a shard is complete.
        encoding: to encode the videos anew; by default their files are copied as they are.
        workers: processes that encode.
        timeout: seconds without progress after which a video is left out.

    Returns:
        The index of those that are in the shards.

    Raises:
        InputError: where the folder holds shards of other videos or options, or is in use.
        OutputError: where it cannot be written.
    """
    with writing(folder, ELSEWHERE):
        folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / f"{name}.lock", timeout=0):
            _clear(folder, name)
            return _write(index, root, folder, name, shard_bytes, encoding, workers, timeout)
    except Timeout as error:
        raise InputError(f"{folder}: another process writes shards of {name} there; wait for it") from error


def _clear(folder: Path, name: str) -> None:
    """Deletes what a process that was killed had under way: up to a shard's bytes."""
    for left in folder.glob(f".{name}-*"):
        shutil.rmtree(left, ignore_errors=True)
    for left in folder.glob(f"{name}-*.part"):
        left.unlink(missing_ok=True)


def _write(
    index: VideoIndex,
    root: Path,
    folder: Path,
    name: str,
    shard_bytes: int,
    encoding: Encoding | None,
    workers: int,
    timeout: float,
) -> VideoIndex:
    records = list(index)
    about = {
        "videos": of_videos(records, root),
        "shard_bytes": shard_bytes,
        "encoding": asdict(encoding) if encoding else None,
    }
    shards = list(_complete(folder, name, about))
    begin = shards[-1].end if shards else 0
    with ExitStack() as stack:
        fresh = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=folder, prefix=f".{name}-")))
        rest = records[begin:]
        contents = encoded(rest, fresh, encoding, workers, timeout) if encoding else copies(rest)
        stack.enter_context(closing(contents))
        shown = counted(contents, len(records), f"writing shards of {name}", "video", done=begin)
        waiting = zip(range(begin, len(records)), rest, shown, strict=True)
        for first in waiting:
            shard = Shard(about)
            path = folder / _shard_name(name, len(shards))
            with replacing(path, ELSEWHERE) as part:
                _fill(part, shard, chain([first], waiting), index.class_names, root)
                shard.total, shard.made = part.stat().st_size, time.time_ns()
            with replacing(path.with_suffix(".json"), ELSEWHERE) as part:
                part.write_text(json.dumps(asdict(shard)))
            shards.append(shard)
    found = _index(shards, index, root, folder, name)
    if not len(found) and found.problems:
        problem = found.problems[-1]
        for number in range(len(shards)):  # they hold nothing, and would be taken for the answer once it is mended
            for ending in (".json", ".tar"):
                (folder / _shard_name(name, number)).with_suffix(ending).unlink(missing_ok=True)
        raise InputError(
            f"{folder}: none of the {len(records)} videos could go into shards of {name} ({problem.cause}: "
            f"{problem.path}, {problem.detail}): see to the videos, or give other options and {ELSEWHERE}"
        )
    found.save(folder / f"{name}.npz")
    return found


def _shard_name(name: str, number: int) -> str:
    return f"{name}-{number:06d}.tar"


def _complete(folder: Path, name: str, about: dict[str, Any]) -> Iterator[Shard]:
    """Shards that are there and whole, up to the first that is not."""
    number = 0
    while True:
        path = folder / _shard_name(name, number)
        try:
            shard = Shard(**json.loads(path.with_suffix(".json").read_text()))
            whole = path.stat().st_size == shard.total and all(video.keys() >= PLACE for video in shard.videos)
        except (OSError, ValueError, TypeError, AttributeError):
            return
        if shard.about != about:
            raise InputError(
                f"{folder} holds shards of {name} that were made of other videos or with other options "
                f"({_differing(shard.about, about)}): {ELSEWHERE}, or delete them"
            )
        if not whole:
            return
        yield shard
        number += 1


def _differing(theirs: dict[str, Any], ours: dict[str, Any]) -> str:
    """What shaped shards that are there, and would not these."""
    names = [name for name in {**theirs, **ours} if theirs.get(name) != ours.get(name)]
    told = (f"{name} {json.dumps(theirs.get(name))}, not {json.dumps(ours.get(name))}" for name in names)
    return "; ".join("other videos" if name == "videos" else each for name, each in zip(names, told, strict=True))


def _fill(path: Path, shard: Shard, waiting: Iterable[Waiting], class_names: Sequence[str], root: Path) -> None:
    """Writes videos into a shard until it is large enough."""
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        for number, record, content in waiting:
            shard.end = number + 1
            found, pixels = content.found, b""
            if not found.cause:
                try:
                    pixels = content.file.read_bytes()
                except OSError as error:
                    found = Probe("unreadable", error.strerror or str(error))
            content.drop()
            if found.cause:
                shard.problems.append((str(record.path), found.cause, found.detail))
                continue
            size = {"frames": found.frames, "width": found.width, "height": found.height}
            offset = _add(tar, f"{number:08d}{content.file.suffix.lower() or '.video'}", pixels)
            told = {
                "path": called(record, root),
                "labels": record.labels,
                "label_names": [class_names[label] for label in record.labels],
                "rate": record.rate,
            }
            _add(tar, f"{number:08d}.json", json.dumps(told | size).encode())
            place = {"number": number, "offset": offset, "size": len(pixels)}
            shard.videos.append(place | size | {"seekable": found.seekable, "packets": found.packets.hex()})
            if tar.offset >= shard.about["shard_bytes"]:
                return


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> int:
    """Adds a member; returns where its bytes begin."""
    member = tarfile.TarInfo(name)
    member.size = len(content)
    offset = tar.offset + tarfile.BLOCKSIZE  # one block of header, as its name is short
    tar.addfile(member, io.BytesIO(content))
    return offset


def called(record: VideoRecord, root: Path) -> str:
    """What a video is called in a shard: its path below the set's folder."""
    path = record.path.relative_to(root) if record.path.is_relative_to(root) else record.path
    return path.as_posix().lstrip("/")


def _index(shards: Sequence[Shard], index: VideoIndex, root: Path, folder: Path, name: str) -> VideoIndex:
    """The index of what is in shards, whose rates and labels are those of the videos that they were made of."""
    rows, numbers = [], []
    for number, shard in enumerate(shards):
        for video in shard.videos:
            known = {key: value for key, value in video.items() if key not in ("number", "offset", "packets")}
            packets = bytes.fromhex(video["packets"])
            rows.append(replace(index[video["number"]], **known, packets=packets, changed=shard.made))
            numbers.append(number)
    archives = Archives(
        folder,
        [_shard_name(name, number) for number in range(len(shards))],
        np.array([shard.total for shard in shards], np.int64),
        np.array(numbers, np.int64),
        np.array([video["offset"] for shard in shards for video in shard.videos], np.int64),
    )
    return VideoIndex(
        index.class_names,
        [called(row, root) for row in rows],
        [np.array(row.labels, np.int64) for row in rows],
        figures(rows),
        [*index.problems, *(Problem(*problem) for shard in shards for problem in shard.problems)],
        [row.packets for row in rows],
        np.array([row.changed for row in rows], np.int64),
        archives,
    )
