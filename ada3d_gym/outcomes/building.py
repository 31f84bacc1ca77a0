"""Building a table: chunks of clips, each a file written whole, by any number of processes; then one file of them all.

A chunk's bytes depend on its clips and the classifier alone, so that a build that was killed, or shared among machines
of one kind, ends in the same file as one that was not.
"""

from __future__ import annotations

import json
import shutil
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from ada3d_gym.bandit import ClipBandit
from ada3d_gym.errors import InputError
from ada3d_gym.files import replacing, writing
from ada3d_gym.fingerprints import of_weights
from ada3d_gym.masks import all_mask_bits
from ada3d_gym.networks.classifier import NetworkClassifier
from ada3d_gym.outcomes.cells import answering, cells_of
from ada3d_gym.outcomes.description import Description
from ada3d_gym.outcomes.identity import clips_sha256, sampling_of, video_digests
from ada3d_gym.outcomes.optima import stated_optima
from ada3d_gym.outcomes.storage import TableError
from ada3d_gym.outcomes.table import PARTS, OutcomeTable, check_bits, coarseness
from ada3d_gym.protocols import FallibleSource
from ada3d_gym.video.clips import VideoClips

CHUNK = 16  # clips
_IDENTITY = "build.json"
_DAMAGE = (ValueError, KeyError, EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error)  # of an npz


class Build:
    """A table in the making.

    Args:
        bandit: of the clips, with the classifier as it is now.
        folder: for the chunks.
        parts: names in `PARTS`, to be kept beside the table.

    Raises:
        InputError: for clips with too many masks, and for a folder that holds chunks of another table.
    """

    def __init__(self, bandit: ClipBandit, folder: Path, parts: Sequence[str] = ()):
        source, classifier = bandit.source, bandit.classifier
        if not (isinstance(source, VideoClips) and isinstance(classifier, NetworkClassifier)):
            raise InputError("a table is built from video clips and a live classifier")
        if unknown := [name for name in parts if name not in PARTS]:
            raise InputError(f"unknown part {unknown[0]!r}: expected some of {', '.join(PARTS)}")
        check_bits(bandit.num_frames, bandit.num_stages)
        self._bandit, self._source, self._classifier = bandit, source, classifier
        self.folder, self.parts = folder, tuple(name for name in PARTS if name in parts)
        self._digests, self._sampling = video_digests(source), sampling_of(source)
        self._dtype = classifier.dtype or next(classifier.network.parameters()).dtype
        self._coarse = coarseness(str(self._dtype).removeprefix("torch."))
        self.identity: dict[str, Any] = {
            "classifier_sha256": of_weights(classifier.network.state_dict()),
            "clips_sha256": clips_sha256(self._sampling, self._digests),
            "parts": list(self.parts),
            "dtype": str(self._dtype).removeprefix("torch."),
        }
        self._note()

    @property
    def chunks(self) -> int:
        """How many there are."""
        return -(-len(self._source) // CHUNK)

    def done(self) -> list[int]:
        """The chunks that are there."""
        return [number for number in range(self.chunks) if self._path(number).exists()]

    def make(self, numbers: Sequence[int]) -> Iterator[int]:
        """Makes those of the chunks that are not there and that no other process is making; gives each one's number."""
        answer = answering(self._classifier, self._bandit.num_frames)
        step = _clips_at_once(self._classifier.device)
        for number in numbers:
            if self._path(number).exists():
                continue
            lock = FileLock(self._path(number).with_suffix(".lock"))
            with writing(self.folder):
                try:
                    lock.acquire(blocking=False)
                except Timeout:
                    continue
            try:
                if not self._path(number).exists():
                    self._write(number, list(self._answers(number, answer, step)))
                    yield number
            finally:
                lock.release()

    def _answers(self, number: int, answer: Any, step: int) -> Iterator[tuple[NDArray[np.int64], Any]]:
        ids = np.arange(number * CHUNK, min((number + 1) * CHUNK, len(self._source)))
        source = self._source
        source.expect(np.arange(ids[0], min(ids[-1] + 1 + CHUNK, len(source))))
        bad = source.undecodable(ids) if isinstance(source, FallibleSource) else {}
        ids = np.array([clip for clip in ids.tolist() if clip not in bad], np.int64)
        for start in range(0, len(ids), step):
            batch = ids[start : start + step]
            scores = answer(source.clips(batch))
            yield batch, cells_of(scores, source.targets(batch), self._bandit.num_stages, self.parts, self._coarse)

    def _write(self, number: int, found: list[tuple[NDArray[np.int64], Any]]) -> None:
        names = ("correct", "close_count", "close_mask", "close_margin")
        arrays: dict[str, Any] = {"clip": np.concatenate([np.empty(0, np.int64), *(ids for ids, _ in found)])}
        if found:
            arrays |= {name: np.concatenate([getattr(cells, name) for _, cells in found]) for name in names}
            arrays |= {name: np.concatenate([cells.parts[name] for _, cells in found]) for name in self.parts}
        with replacing(self._path(number)) as path, path.open("wb") as file:
            np.savez_compressed(file, **arrays)

    def take(self, other: Path) -> int:
        """Copies the chunks of another folder, of the same build on another machine; returns how many were new.

        Raises:
            TableError: for a folder without chunks, or with those of another table.
        """
        if not (other / _IDENTITY).exists():
            raise TableError(f"{other} holds no chunks of a table: expected the folder that --shard has left")
        self._check(other / _IDENTITY)
        taken = 0
        for number in range(self.chunks):
            path = other / self._path(number).name
            if path.exists() and not self._path(number).exists():
                with replacing(self._path(number)) as part:
                    shutil.copyfile(path, part)
                taken += 1
        return taken

    def table(self, **about: Any) -> OutcomeTable:
        """The table of all chunks.

        Args:
            about: further fields of `Description`: dataset, split, network, command, versions, licence.

        Raises:
            TableError: for a chunk that is damaged, which is deleted, and for one that is missing.
        """
        read = [self._read(number) for number in range(self.chunks)]
        read = [chunk for chunk in read if len(chunk["clip"])]
        if not read:
            raise TableError(f"{self.folder}: not one of the clips could be decoded")
        whole = {name: np.concatenate([chunk[name] for chunk in read]) for name in read[0]}
        source, clips = self._source, whole["clip"]
        targets = source.targets(clips)
        families = [source.record(clip).family for clip in clips.tolist()]
        names = sorted(set(families))
        masks = all_mask_bits(self._bandit.num_frames, self._bandit.num_stages)
        arrays = {
            "correct": whole["correct"],
            "macs": self._classifier.macs(*masks),
            "clip": clips,
            "label": _first_labels_first(targets, source.labels(clips)),
            "label_start": np.concatenate([[0], targets.sum(1).cumsum()]),
            "family": np.array([names.index(family) for family in families], np.uint8),
            "video": self._digests,
            "close_start": np.concatenate([[0], whole["close_count"].cumsum()]),
            "close_mask": whole["close_mask"],
            "close_margin": whole["close_margin"],
        }
        description = Description(
            sampling=self._sampling,
            videos=len(source) // source.views,
            stage_names=tuple(self._classifier.stage_names),
            class_names=tuple(source.class_names),
            families=tuple(names),
            dtype=self.identity["dtype"],
            classifier_sha256=self.identity["classifier_sha256"],
            clips_sha256=self.identity["clips_sha256"],
            **about,
        )
        optima, arrays["optimum"] = stated_optima(OutcomeTable(description, arrays))
        parts = {name: whole[name] for name in self.parts}
        return OutcomeTable(replace(description, optima=optima), arrays, parts=parts)

    def remove(self) -> None:
        """The chunks, once the table is written."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _note(self) -> None:
        path = self.folder / _IDENTITY
        if path.exists() and any(self.folder.glob("*.npz")):
            self._check(path)
        else:
            with replacing(path) as part:
                part.write_text(json.dumps(self.identity))

    def _check(self, path: Path) -> None:
        try:
            theirs = json.loads(path.read_text())
            differing = [name for name, value in self.identity.items() if theirs[name] != value]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise TableError(f"{path}: not readable ({error}); delete {path.parent}") from error
        if differing:
            shown = "; ".join(f"{name}: {theirs[name]} there, {self.identity[name]} now" for name in differing)
            raise TableError(
                f"{path.parent} holds chunks of another table ({shown}): delete it, or choose another --output"
            )

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06d}.npz"

    def _read(self, number: int) -> Mapping[str, NDArray[Any]]:
        path = self._path(number)
        try:
            with np.load(path, allow_pickle=False) as file:
                chunk = {name: file[name] for name in file.files}
                if len(chunk["clip"]):
                    counts = {len(chunk[name]) for name in ("clip", "correct", "close_count", *self.parts)}
                    if len(counts) > 1 or len(chunk["close_mask"]) != len(chunk["close_margin"]):
                        raise ValueError("its arrays do not fit each other")
                return chunk
        except FileNotFoundError:
            raise TableError(f"{path} is missing: the chunk has not been made yet") from None
        except (*_DAMAGE, OSError, TypeError) as error:
            with suppress(OSError):
                path.unlink(missing_ok=True)
            raise TableError(f"{path} was damaged ({error}) and is gone now: start the command again") from error


def _clips_at_once(device: torch.device) -> int:
    """A GPU has to be filled; a CPU has the least memory to go through with one."""
    return 1 if device.type == "cpu" else CHUNK


def _first_labels_first(targets: NDArray[np.bool_], first: NDArray[np.int64]) -> NDArray[np.int32]:
    """The labels of all rows of (N, C), one row after the other, each row's first label before its others."""
    rows, labels = targets.nonzero()
    order = np.lexsort((labels, labels != first[rows], rows))
    found: NDArray[np.int32] = labels[order].astype(np.int32)
    return found
