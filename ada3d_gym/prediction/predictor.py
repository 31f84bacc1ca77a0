"""From videos to answers, and to what was looked at for them."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ada3d_gym.devices import checked_device
from ada3d_gym.errors import InputError
from ada3d_gym.networks.classifier import NetworkClassifier
from ada3d_gym.networks.selection import SelectionNetwork
from ada3d_gym.precision import Precision
from ada3d_gym.prediction.computing import Computed, Computing
from ada3d_gym.prediction.config import MOST_VIEWS, ModelConfig
from ada3d_gym.prediction.inputs import Video, Videos, find_videos
from ada3d_gym.prediction.loading import load_classifier, load_policy
from ada3d_gym.prediction.policies import MaskPolicy, NetworkPolicy
from ada3d_gym.prediction.reading import VideoPixels, read_video
from ada3d_gym.prediction.results import ClipPrediction, Prediction, best_answers
from ada3d_gym.profiling import section, timed
from ada3d_gym.video.indexing.probe import probe_all
from ada3d_gym.video.sampling import ClipSampler
from ada3d_gym.workers import default_workers

BATCH = 32  # clips
BATCH_PIXELS = 2**22  # of all frames of a batch: eight clips of eight frames of 256 pixels take some 2 GB


class Predictor:
    """Classifies new videos under the masks of a policy.

    Videos are cut into clips as a data set's test videos are, and a video's scores are the means of its clips'. Clips
    of several videos, with their different masks, are computed as one batch; the next videos are decoded meanwhile.

    Args:
        classifier: the masked 3D network; its `size` is that of the clips.
        policy: what chooses masks: a selection network, or anything with `act` (see `MaskPolicy`).
        class_names: C names.
        sampler: which frames and which square of them a clip shows; of evenly spread clips.
        observation_size: side of the square that the policy sees, in pixels.
        whole_frames: decode frames at their own size before they are scaled, as those of the embedded data sets are,
            instead of scaling while they are decoded. Arrays are always scaled so.
        batch_size: clips in one forward pass; 32 by default, and fewer of clips that are large.
        workers: threads that decode; by default `ada3d_gym.workers.default_workers()`.

    Raises:
        InputError: for parts that do not fit each other.

    Example:
        >>> predictor = Predictor.from_pretrained("runs/mine")       # doctest: +SKIP
        >>> for video in predictor(["new.mp4", "more/"], top_k=3):   # doctest: +SKIP
        ...     print(video.video, video.answers, video.clips[0].kept_seconds)
    """

    def __init__(
        self,
        classifier: NetworkClassifier,
        policy: MaskPolicy | SelectionNetwork,
        class_names: Sequence[str],
        sampler: ClipSampler,
        *,
        observation_size: int,
        whole_frames: bool = False,
        batch_size: int | None = None,
        workers: int | None = None,
    ):
        if sampler.random:
            raise InputError("the sampler draws random clips: expected one of evenly spread clips (random=False)")
        if classifier.network.classes != len(class_names):
            raise InputError(
                f"the classifier has {classifier.network.classes} classes, and {len(class_names)} have names"
            )
        if batch_size is None:
            batch_size = max(1, min(BATCH, BATCH_PIXELS // (sampler.num_frames * sampler.size**2)))
        workers = default_workers() if workers is None else workers
        for name, value in (("batch_size", batch_size), ("workers", workers)):
            if value < 1:
                raise InputError(f"{name}={value}: expected at least 1")
        if isinstance(policy, SelectionNetwork):
            policy = NetworkPolicy(policy, observation_size, classifier.device)
        self.classifier = classifier if classifier.size == sampler.size else classifier.for_size(sampler.size)
        self.policy, self.class_names, self.sampler = policy, tuple(class_names), sampler
        self.observation_size, self.whole_frames = observation_size, whole_frames
        self.batch_size, self.workers = batch_size, workers
        self._computing = Computing(self.classifier, policy, sampler.num_frames)

    @classmethod
    def from_pretrained(
        cls,
        folder: str | os.PathLike[str],
        *,
        device: str = "cpu",
        policy: MaskPolicy | None = None,
        precision: Precision | None = None,
        trust: bool = False,
        batch_size: int | None = None,
        workers: int | None = None,
    ) -> Predictor:
        """What a folder holds: that of a finished run of `ada3d train`, or one that `ada3d export` wrote.

        Nothing in the folder is run, and no file outside of it is read, unless you trust it.

        Args:
            folder: its path.
            device: where networks run.
            policy: in the place of the folder's own.
            precision: in which the networks compute: "float32" by default, "bfloat16" or "float16".
            trust: import the module of a 3D network of somebody's own that the folder names, "module:factory".
            batch_size, workers: see the class.

        Raises:
            ConfigError: for a folder that is no such, of an unfinished run, of another version, or without a file.
            CheckpointError: for damaged weights.
        """
        config, place = ModelConfig.load(folder), Path(folder)
        device = checked_device(device)
        return cls(
            load_classifier(config, place, device, precision, trust=trust),
            policy or load_policy(config, place, device, precision),
            config.class_names,
            config.clips.sampler(),
            observation_size=config.clips.observation_size,
            whole_frames=config.clips.scaled_by == "resize",
            batch_size=batch_size,
            workers=workers,
        )

    from_run = from_pretrained

    def __call__(
        self,
        videos: Videos,
        *,
        top_k: int | None = 5,
        views: int | None = None,
        upper: bool = False,
        rate: float = 0.0,
    ) -> list[Prediction]:
        """One result a video, in order; arguments are those of `stream`."""
        return list(self.stream(videos, top_k=top_k, views=views, upper=upper, rate=rate))

    def stream(
        self,
        videos: Videos,
        *,
        top_k: int | None = 5,
        views: int | None = None,
        upper: bool = False,
        rate: float = 0.0,
        pixels: bool = False,
        isolated: bool = False,
    ) -> Iterator[Prediction]:
        """One result a video, in order, as they come.

        Args:
            videos: files, folders, globs and arrays, see `ada3d_gym.prediction.inputs.find_videos`. What cannot be read
                has a result with an `error`, and the others go on.
            top_k: answers of each video; None for all classes.
            views: clips of each video, evenly spread; as many as the run was judged on by default.
            upper: run the whole network beside the policy's masks, and time both in turn.
            rate: frames a second of arrays, where it is known.
            pixels: keep in the results what the classifier saw.
            isolated: look at each file in a process of its own first, so that one that crashes or hangs the decoder is
                named, and the others go on. As for all such processes, a script then needs
                `if __name__ == "__main__":`.

        Raises:
            InputError: for numbers that make no sense, and for arrays that are no frames.
        """
        if top_k is not None and top_k < 1:
            raise InputError(f"top_k={top_k}: expected at least 1")
        if views is not None and not 1 <= views <= MOST_VIEWS:
            raise InputError(f"views={views}: expected 1 to {MOST_VIEWS}")
        sampler = self.sampler if views is None else replace(self.sampler, views=views)
        group: list[VideoPixels] = []
        for read in self._read(find_videos(videos), sampler, rate, isolated):
            group.append(read)
            if sum(len(each.clips) for each in group) >= self.batch_size:
                yield from self._answered(group, top_k, upper, pixels)
                group = []
        yield from self._answered(group, top_k, upper, pixels)

    def _read(
        self, videos: Sequence[Video], sampler: ClipSampler, rate: float, isolated: bool
    ) -> Iterator[VideoPixels]:
        """The clips of each video, in order; a few videos are read ahead."""
        files = [each for each in videos if isinstance(each, Path)]
        probes = probe_all(files) if isolated and files else None
        pool = ThreadPoolExecutor(self.workers, thread_name_prefix="read")
        ahead: deque[Future[VideoPixels]] = deque()
        try:
            for video in videos:
                with section("decoding"):
                    found = next(probes)[1] if probes is not None and isinstance(video, Path) else None
                ahead.append(pool.submit(read_video, video, sampler, rate, whole_frames=self.whole_frames, found=found))
                if len(ahead) > 2 * self.workers:
                    yield self._next(ahead)
            while ahead:
                yield self._next(ahead)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
            if probes is not None:
                probes.close()

    @staticmethod
    @timed("decoding")
    def _next(ahead: deque[Future[VideoPixels]]) -> VideoPixels:
        """Waits for the first of the videos that are being read."""
        return ahead.popleft().result()

    def _answered(
        self, group: Sequence[VideoPixels], top_k: int | None, upper: bool, pixels: bool
    ) -> Iterator[Prediction]:
        """The results of videos whose clips share batches."""
        filled = [each for each in group if len(each.clips)]
        computed: list[Computed] = []
        if filled:
            clips = np.concatenate([each.clips for each in filled])
            shown = np.concatenate([each.observations(self.observation_size) for each in filled])
            for start in range(0, len(clips), self.batch_size):
                part = slice(start, start + self.batch_size)
                computed += self._computing(clips[part], shown[part], upper)
        rest = iter(computed)
        for each in group:
            yield self._prediction(each, [next(rest) for _ in each.clips], top_k, pixels)

    def _prediction(
        self, read: VideoPixels, computed: Sequence[Computed], top_k: int | None, pixels: bool
    ) -> Prediction:
        scores = _mean([each.scores for each in computed], len(self.class_names))
        wholes = [each.whole for each in computed if each.whole is not None]
        error = read.error
        if computed and not scores.any():
            error = error or "no frame of any clip was kept"
        return Prediction(
            video=read.name,
            answers=best_answers(scores, self.class_names, top_k),
            scores=scores,
            clips=tuple(self._clip(read, row, each) for row, each in enumerate(computed)),
            macs_whole=self._computing.macs_whole,
            error=error,
            whole=best_answers(_mean([each.scores for each in wholes], len(scores)), self.class_names, top_k)
            if wholes
            else None,
            pixels=read.clips if pixels else None,
        )

    def _clip(self, read: VideoPixels, row: int, computed: Computed) -> ClipPrediction:
        decoding = 1e3 * read.seconds / len(read.clips)
        names = self.classifier.stage_names
        return ClipPrediction(
            view=int(read.views[row]),
            numbers=tuple(read.numbers[row].tolist()),
            seconds=None if read.times is None else tuple(read.times[row].tolist()),
            frame_mask=tuple(computed.u.tolist()),
            stage_mask=tuple(computed.v.tolist()),
            stages=tuple(name for name, on in zip(names, computed.v, strict=True) if on),
            scores=computed.scores,
            macs=computed.macs,
            macs_selection=self._computing.macs_selection,
            milliseconds={"decoding": decoding, **computed.milliseconds},
            whole=computed.whole,
        )


def _mean(scores: Sequence[NDArray[np.float32]], classes: int) -> NDArray[np.float32]:
    """(C,) of the scores of clips; zeros of none."""
    mean: NDArray[np.float32] = np.mean(scores, axis=0, dtype=np.float32) if scores else np.zeros(classes, np.float32)
    return mean
