"""The videos that go into shards: copies of the files as they are, or encoded anew."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ada3d_gym.video.decoders.video import check_file
from ada3d_gym.video.indexing.probe import Probe, probe, probe_all
from ada3d_gym.video.records import VideoError, VideoRecord
from ada3d_gym.video.reencoding import Encoding, reencode


@dataclass(frozen=True)
class Content:
    """One video.

    Attributes:
        file: whose bytes go into a shard.
        found: what it is, or why it is left out.
        temporary: the file was made for this.
    """

    file: Path
    found: Probe
    temporary: bool = False

    def drop(self) -> None:
        """Deletes the file, where it was made for this."""
        if self.temporary:
            self.file.unlink(missing_ok=True)


def copies(records: Sequence[VideoRecord]) -> Generator[Content, None, None]:
    """The files as they are; those that have changed since they were indexed are left out."""
    for record in records:
        try:
            check_file(record)
        except VideoError as error:
            yield Content(record.path, Probe("missing", error.problem))
            continue
        figures = record.frames, record.width, record.height, record.rate, record.size, bool(record.seekable)
        yield Content(record.path, Probe("", "", *figures, record.packets))


def encoded(
    records: Sequence[VideoRecord], folder: Path, encoding: Encoding, workers: int, timeout: float
) -> Generator[Content, None, None]:
    """The videos anew, by processes of their own, so that one that crashes a decoder is left out; see `probe_all`.

    Args:
        records: of the videos.
        folder: for what is under way; whoever takes a content drops it.
        encoding: how.
        workers: processes.
        timeout: seconds without progress after which a video is left out.
    """
    paths = [record.path for record in records]
    look = _Reencode(folder, encoding)
    found = probe_all(paths, workers=workers, timeout=timeout, look=look)
    for record, (path, its) in zip(records, found, strict=True):
        if not its.cause and its.frames != record.frames:
            its = Probe("damaged", f"{its.frames} frames instead of the {record.frames} of its index")
        yield Content(look.target(path), its, temporary=True)


@dataclass(frozen=True)
class _Reencode:
    """What a process does with a file."""

    folder: Path
    encoding: Encoding

    def target(self, path: Path) -> Path:
        return self.folder / f"{hashlib.sha256(os.fsencode(path)).hexdigest()[:32]}.mp4"

    def __call__(self, path: Path, thorough: bool) -> Probe:
        target = self.target(path)
        try:
            reencode(path, target, self.encoding)
        except VideoError as error:
            target.unlink(missing_ok=True)
            return Probe("damaged", error.problem)
        return probe(target)
