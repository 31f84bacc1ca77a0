"""Looks at long videos through real networks: a place is a view of `VideoClips`, and is computed once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ada3d_gym.errors import InputError
from ada3d_gym.fingerprints import of_weights
from ada3d_gym.masks import split_mask
from ada3d_gym.networks.classifier import NetworkClassifier
from ada3d_gym.networks.features import TABLE_BYTES, FrameFeatures
from ada3d_gym.networks.macs import count_macs
from ada3d_gym.networks.selection import ClipTrunk
from ada3d_gym.outcomes.identity import clips_sha256, sampling_of, video_digests
from ada3d_gym.progress import Progress
from ada3d_gym.untrimmed.masks import MaskPolicy
from ada3d_gym.untrimmed.protocols import Look
from ada3d_gym.untrimmed.rows import KeptRows
from ada3d_gym.video.clips import VideoClips
from ada3d_gym.video.records import VideoError

Ids = NDArray[np.int64]


class ClipLooks:
    """The `VideoLooks` of video files.

    Features, scores and masks of a place, and the memory of a video, are computed when they are first asked for, and
    kept. They are those of the networks as they are then: after a network has been trained further, make new looks.
    A deep copy is the object itself, so that specs of environments can hold it.

    Clips that cannot be decoded: a look at one shows the nearest place of its video that can be, the earlier of two.
    A video whose memory cannot be decoded is bad as a whole: `usable` names another in its place (to train on), and
    `undecodable` names the bad ones (to judge without), as `VideoClips` does for clips. Where clips are strict, and
    where no place of a video can be decoded, a `VideoError` is raised.

    Args:
        clips: evenly spread clips, P views of each video.
        whole: one clip of the whole of each of the same videos, M frames of it.
        classifier: the masked 3D network.
        policy: what masks its clips.
        trunk: whose backbone sees the memory, usually the selection network's.
        device: where the trunk runs.
        batch_size: clips in one forward pass at the most.
        memory_bytes: for what is kept, half for looks and half for memories; what was asked for longest ago makes room.
        folder: None, or where all is kept instead, for this and other processes.
        policy_name: what tells the policy from others there, such as a fingerprint of its weights.
    """

    def __init__(
        self,
        clips: VideoClips,
        whole: VideoClips,
        classifier: NetworkClassifier,
        policy: MaskPolicy,
        trunk: ClipTrunk,
        *,
        device: torch.device | str = "cpu",
        batch_size: int = 64,
        memory_bytes: int = TABLE_BYTES,
        folder: Path | None = None,
        policy_name: str | None = None,
    ):
        if clips.sampler.random:
            raise InputError("random clips have no places: give evenly spread ones (protocol='test')")
        if clips.sampler.sampling == "whole":
            raise InputError("sampling='whole' shows the same at all places: expected 'strided' or 'pyslowfast'")
        if whole.views != 1 or len(whole) * clips.views != len(clips):
            raise InputError(
                f"the memory has {len(whole)} clips, {whole.views} a video, of {len(clips) // clips.views} videos: "
                "expected one of each"
            )
        if folder is not None and policy_name is None:
            raise InputError("looks in a folder are found by what made them: give policy_name")
        self.clips, self.whole, self.classifier, self.policy = clips, whole, classifier, policy
        self.places, self.class_names = clips.views, clips.class_names
        self._frames, self._stages = clips.num_frames, len(classifier.stage_names)
        everything = (np.ones((1, length), np.bool_) for length in (self._frames, self._stages))
        self.whole_macs = int(classifier.macs(*everything)[0])
        self.features = classifier.network.features
        self.memory_shape = whole.num_frames, trunk.channels
        self._trunk = FrameFeatures(trunk, device, table_bytes=0)
        side = whole.observation_size
        frames = torch.zeros(1, whole.num_frames, 3, side, side, dtype=torch.uint8, device=device)
        self.memory_macs = count_macs(trunk.eval().frames, frames)
        keys: tuple[dict[str, Any], ...] = ({}, {})
        if folder is not None:
            networks = {"classifier": of_weights(classifier.network.state_dict()), "policy": policy_name}
            backbone = of_weights(trunk.backbone.state_dict())
            shown = {"classifier": classifier.size, "policy": clips.observation_size, "dtype": str(classifier.dtype)}
            keys = (
                {"what": "looks", "clips": _identity(clips), "networks": networks, "shown": shown},
                {"what": "memory", "clips": _identity(whole), "backbone": backbone, "side": side},
            )
        width = self.features + len(self.class_names) + self._frames + self._stages
        kept: dict[str, Any] = {"batch_size": batch_size, "memory_bytes": memory_bytes // 2, "folder": folder}
        self._rows = KeptRows(len(clips), width, self._computed_looks, key=keys[0], **kept)
        size = whole.num_frames * trunk.channels
        self._memories = KeptRows(len(whole), size, self._computed_memory, key=keys[1], **kept)

    def __len__(self) -> int:
        """How many videos there are."""
        return len(self.whole)

    def __deepcopy__(self, memo: dict[int, Any]) -> ClipLooks:
        return self

    def at(self, videos: Ids, places: Ids) -> Look:
        """Looks (B,) at places (B,) of videos (B,).

        Raises:
            InputError: for videos and places that there are not.
            VideoError: see the class.
        """
        for name, values, end in (("video", videos, len(self)), ("place", places, self.places)):
            if len(wrong := values[(values < 0) | (values >= end)]):
                raise InputError(f"{name} {wrong[0]}: expected 0 to {end - 1}")
        rows = self._rows(videos * self.places + places)
        ends = np.cumsum([self.features, len(self.class_names), self._frames])
        features, scores, *masks = np.split(rows, ends, axis=1)
        u, v = (mask > 0 for mask in masks)
        macs = self.classifier.macs(u, v) + self.policy.macs
        return Look(np.ascontiguousarray(features), np.ascontiguousarray(scores), macs, u.sum(1), v.sum(1))

    def memory(self, videos: Ids) -> NDArray[np.float32]:
        """(B, M, E) float32: features of M frames, evenly spread over each whole video."""
        return self._memories(videos).reshape(len(videos), *self.memory_shape)

    def labels(self, videos: Ids) -> Ids:
        """First label of each video, (B,)."""
        return self.whole.labels(videos)

    def targets(self, videos: Ids) -> NDArray[np.bool_]:
        """All labels of each video, (B, C)."""
        return self.whole.targets(videos)

    def paths(self, videos: Ids) -> NDArray[np.object_]:
        """Path of each video, (B,) strings."""
        return self.whole.paths(videos)

    def pictures(self, video: int) -> NDArray[np.uint8]:
        """The frames of a video's memory as they are in the file, (M, H, W, 3), for people to look at."""
        return self.whole.full_size(video)

    def usable(self, ids: Ids) -> Ids:
        """Videos to train on in the place of `ids`: with others for bad ones.

        Raises:
            VideoError: where too many videos are bad; see `VideoClips.usable`.
        """
        videos = ids.copy()
        unknown = np.isin(ids, self._memories.missing(ids))
        videos[unknown] = self.whole.usable(ids[unknown])
        return videos

    def undecodable(self, ids: Ids) -> dict[int, VideoError]:
        """Bad videos among `ids`, with what is wrong with them; to judge without."""
        return self.whole.undecodable(self._memories.missing(ids))

    def fill(self) -> None:
        """Computes all looks and memories that are not there, with a progress bar; bad videos are left out.

        Raises:
            InputError: where memory_bytes do not hold them all.
        """
        for rows in (self._rows, self._memories):
            if not rows.fits:
                raise InputError(
                    f"looks and memories of {len(self)} videos take {self._rows.nbytes + self._memories.nbytes:,} "
                    "bytes, more than memory_bytes allows: give a folder to keep them in, or more memory"
                )
        videos = np.arange(len(self))
        bad = list(self.undecodable(videos))
        numbers = np.arange(len(self.clips))
        numbers = self._rows.missing(numbers[~np.isin(numbers // self.places, bad)])
        memories = self._memories.missing(videos[~np.isin(videos, bad)])
        total = len(numbers) + len(memories)
        with Progress(total, "looking at videos", quiet=not total) as shown:
            for rows, source, missing in ((self._memories, self.whole, memories), (self._rows, self.clips, numbers)):
                for start in range(0, len(missing), _PART):
                    source.expect(missing[start : start + 2 * _PART])
                    rows(missing[start : start + _PART])
                    shown.add(len(missing[start : start + _PART]))

    def close(self) -> None:
        """Stops decoding; what is kept stays."""
        self.clips.close()
        self.whole.close()

    def _computed_looks(self, ids: Ids) -> NDArray[np.float32]:
        ids = self._decodable(ids)
        masks = self.policy.act(self.clips.observations(ids))
        u, v = split_mask(masks, self._frames, self._stages, batch=(len(ids),))
        features, scores = self.classifier.features(self.clips.clips(ids), u, v)
        return np.concatenate([features, scores, u, v], axis=1, dtype=np.float32)

    def _computed_memory(self, videos: Ids) -> NDArray[np.float32]:
        features: NDArray[np.float32] = self._trunk.of_pixels(self.whole.observations(videos)).flatten(1).cpu().numpy()
        return features

    def _decodable(self, ids: Ids) -> Ids:
        """The nearest places that can be decoded."""
        bad = self.clips.undecodable(ids)
        nearest = {clip: self._nearest(clip, error) for clip, error in bad.items()}
        return np.array([nearest.get(clip, clip) for clip in ids.tolist()], np.int64)

    def _nearest(self, clip: int, error: VideoError) -> int:
        video, place = divmod(clip, self.places)
        for other in sorted(range(self.places), key=lambda other: (abs(other - place), other)):
            if not self.clips.undecodable(np.array([video * self.places + other])):
                return video * self.places + other
        raise VideoError(error.path, f"{error.problem}, and none of its {self.places} places is better", error.remedy)


_PART = 32  # clips between two steps of the progress bar


def _identity(clips: VideoClips) -> str:
    return clips_sha256(sampling_of(clips), video_digests(clips))
