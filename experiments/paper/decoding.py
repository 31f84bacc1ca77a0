"""What one core decodes in a second, and what that reads: given, or measured by `python -m benchmarks.feeding`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ada3d_gym.errors import InputError

FRAMES = 8  # of the clips that decoding is measured with
LONG = 20.0  # seconds of a video from which its ten test clips of 8 frames, 2 s each, share hardly any
SOURCES = ("files", "shards", "reencoded", "decord")
WHOLE_FILES = ("decord",)  # formats that read a video's file whole for each clip


@dataclass(frozen=True)
class Clips:
    """Clips of 8 frames, of one kind.

    Attributes:
        rate: that a core decodes a second. Longer clips of the same stride take as much longer.
        read: bytes that are read for each; None where nobody knows.
        whole: whether these are whole files, however many frames a clip has.
        efficiency: share of the rate that each core still has where all decode.
    """

    rate: float
    read: float | None = None
    whole: bool = False
    efficiency: float = 1.0

    def bytes(self, clips: int, frames: int) -> float | None:
        """Read for so many clips of so many frames."""
        return None if self.read is None else self.read * clips * (1 if self.whole else frames / FRAMES)


@dataclass(frozen=True)
class Decoding:
    """What a core decodes alone.

    Attributes:
        training, test: clips for training, and of test videos.
    """

    training: Clips
    test: Clips

    @classmethod
    def even(cls, rate: float) -> Decoding:
        """So many clips a second of either kind."""
        return cls(Clips(rate), Clips(rate))

    def seconds(self, clips: float, tested: bool) -> float:
        """Core seconds."""
        kind = self.of(tested)
        return clips / (kind.rate * kind.efficiency)

    def of(self, tested: bool) -> Clips:
        return self.test if tested else self.training


@dataclass(frozen=True)
class Feeding:
    """What `benchmarks.feeding` has measured, for videos of a data set.

    Attributes:
        formats: rates by where videos are read from.
        cache: test clips that have been decoded before and are kept on disk.
        told: what was measured, in a line.
    """

    formats: Mapping[str, Decoding]
    cache: Clips
    told: str

    @classmethod
    def read(cls, path: Path, seconds: float, bytes_a_second: float) -> Feeding:
        """From the file that `--json` wrote.

        Args:
            path: of the file.
            seconds: mean length of the data set's videos, which says whether its test clips share frames.
            bytes_a_second: mean, of their files: what is read grows with it, and with whole files' lengths.

        Raises:
            InputError: for another file.
        """
        try:
            content = json.loads(path.read_text())
            figures, videos = content["summary"], content["videos"]["long" if seconds >= LONG else "short"]
            found = {name: _decoding(figures, name, seconds, bytes_a_second, videos) for name in SOURCES}
            cache = Clips(figures["test_cache_clips_per_core_second"])
            told = (
                f"{videos['width']} x {videos['height']} H.264 of {videos['bytes_a_second'] / 1e3:.0f} kB a second, "
                f"videos of {videos['seconds']} s, a key frame every {videos['key_frames']} frames, on "
                f"{figures['cores']:.0f} cores"
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            hint = "expected what 'python -m benchmarks.feeding --json FILE' writes"
            raise InputError(f"{path} holds no measurement of decoding ({error!r}): {hint}") from error
        return cls(found, cache, told)


def _decoding(
    figures: Mapping[str, float], name: str, seconds: float, bytes_a_second: float, videos: Mapping[str, Any]
) -> Decoding:
    length = "long_" if seconds >= LONG else ""
    larger = bytes_a_second / videos["bytes_a_second"] * (seconds / videos["seconds"] if name in WHOLE_FILES else 1)

    def clips(kind: str) -> Clips:
        prefix = f"{length}{kind}" if name == "files" else f"{length}{kind}_{name}"
        return Clips(
            figures[f"{prefix}_clips_per_core_second"],
            figures[f"{prefix}_bytes_per_clip"] * larger,
            name in WHOLE_FILES,
            figures[f"{kind}_efficiency"],
        )

    return Decoding(clips("training"), clips("test"))
