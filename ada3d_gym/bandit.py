"""The one batched core: draw clips, pull masks, return outcomes. Every environment face is a thin layer over it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ada3d_gym.errors import InputError
from ada3d_gym.observers import Observer, PixelObserver
from ada3d_gym.orders import ClipOrder
from ada3d_gym.precision import Precision
from ada3d_gym.protocols import (
    Classifier,
    ClipAnswers,
    ClipSource,
    Ids,
    Mask,
    SharingClassifier,
    one_view_each,
    usable,
)
from ada3d_gym.rewards import Answers, Reward, paid

Order = Literal["epochs", "iid"]


@dataclass(frozen=True)
class Outcome:
    """What happened to B pulled clips; every array has length B.

    Where an outcome table stands in the network's place, prediction and confidence are looked up when they are asked
    for; those that the table's parts do not hold, and scores, are a `TableError` then.

    Attributes:
        reward: float64, the sum of both heads' rewards (Eq. 5).
        reward_frames, reward_stages: float64, each head's own (Eq. 4).
        correct: bool, the prediction is one of the clip's labels.
        prediction: int64 class index; -1 where no frame was kept.
        label: int64, the clip's first label.
        confidence: float32 probability of the predicted class; 0 where no frame was kept.
        macs: int64 multiply-accumulates of the classifier.
        frames, stages: int64, how many were kept.
        no_frames: bool, the mask kept no frame, so the clip could not be classified and counts as incorrect.
        scores: float32 (B, C) class probabilities.
        regret: float64, what the clip's best mask pays minus the reward, at least 0; None where that is not known, as
            on any live network.
        answers: what the reward looked at; None of an outcome that was read from a file.
    """

    reward: NDArray[np.float64]
    reward_frames: NDArray[np.float64]
    reward_stages: NDArray[np.float64]
    correct: NDArray[np.bool_]
    prediction: NDArray[np.int64]
    label: NDArray[np.int64]
    confidence: NDArray[np.float32]
    macs: NDArray[np.int64]
    frames: NDArray[np.int64]
    stages: NDArray[np.int64]
    no_frames: NDArray[np.bool_]
    scores: NDArray[np.float32]
    regret: NDArray[np.float64] | None = None
    answers: Answers | None = None


class _KnownOutcome(Outcome):
    """Of what is asked by clip id."""

    answers: Answers

    def __init__(self, answers: Answers, **values: Any):
        vars(self).update(values, answers=answers)  # the class is frozen, and has its other values later

    def __repr__(self) -> str:
        return f"Outcome(reward={self.reward!r}, answers={self.answers!r})"

    @property
    def prediction(self) -> NDArray[np.int64]:
        return self.answers.prediction

    @property
    def confidence(self) -> NDArray[np.float32]:
        return self.answers.confidence

    @property
    def scores(self) -> NDArray[np.float32]:
        return self.answers.scores


class ClipBandit:
    """A contextual bandit over clips: one pull is one forward pass of the masked classifier, whatever the batch.

    Args:
        source: where clips come from.
        classifier: what predicts from masked clips, or knows without being shown them.
        reward: what a prediction and its masks are worth.
        observer: what a policy is shown of a clip; its pixels by default.
        order: of the draws. "epochs": all videos in random order, a random view of each, over and over; "iid": any clip
            at any time.
        precision: in which the networks of policies compute where they act; None is their own. Classifier and observer
            have theirs.

    Attributes:
        on_pull: None, or what is called with the ids and masks u and v of every pull.

    Example:
        >>> import numpy as np
        >>> from ada3d_gym.building import build_bandit
        >>> bandit = build_bandit(split="test", videos=14, gamma=6.0)
        >>> ids = np.arange(4)
        >>> u = np.ones((4, bandit.num_frames), bool)  # every frame
        >>> v = np.ones((4, bandit.num_stages), bool)  # every stage
        >>> outcome = bandit.pull(ids, u, v)
        >>> outcome.correct.tolist(), outcome.reward.tolist()
        ([True, True, True, True], [0.0, 0.0, 0.0, 0.0])
        >>> outcome.macs.tolist()
        [25660928, 25660928, 25660928, 25660928]
    """

    on_pull: Callable[[Ids, Mask, Mask], None] | None = None

    def __init__(
        self,
        source: ClipSource,
        classifier: Classifier,
        reward: Reward,
        observer: Observer | None = None,
        order: Order = "epochs",
        precision: Precision | None = None,
    ):
        if order not in get_args(Order):
            raise InputError(f"unknown order {order!r}: expected one of {', '.join(get_args(Order))}")
        self.source, self.classifier, self.reward = source, classifier, reward
        self.observer = observer or PixelObserver(source)
        self.order, self.precision = order, precision
        everything = (np.ones((1, length), np.bool_) for length in (self.num_frames, self.num_stages))
        self._full_macs = int(classifier.macs(*everything)[0])
        self.seed(None)

    @property
    def num_frames(self) -> int:
        """T."""
        return self.source.num_frames

    @property
    def num_stages(self) -> int:
        """K."""
        return len(self.classifier.stage_names)

    def seed(self, seed: int | np.random.SeedSequence | None) -> None:
        """Starts the order that `draw` follows afresh; environments have orders of their own."""
        self._order = ClipOrder(self, np.random.default_rng(seed))

    def epoch(self, rng: np.random.Generator) -> Ids:
        """One random view of every video, in random order. Whether they can be decoded is for `usable` to say."""
        return one_view_each(self.source, rng)

    def draw(self, count: int) -> Ids:
        """The next `count` clip ids (count,), of clips that can be decoded.

        Raises:
            VideoError: where too many videos are bad, see `ada3d_gym.video.clips.VideoClips.usable`.
        """
        return self._order.draw(count)

    def expect(self, ids: Ids) -> None:
        """Says that these clips will be pulled soon, where that takes their pixels, or shows them."""
        if isinstance(self.observer, PixelObserver) or not isinstance(self.classifier, ClipAnswers):
            self.source.expect(ids)

    def usable(self, ids: Ids) -> Ids:
        """Clip ids of an epoch, with stand-ins for those whose clips cannot be decoded: what to learn from."""
        return usable(self.source, ids)

    def pull(self, ids: Ids, u: Mask, v: Mask) -> Outcome:
        """Classifies clips under masks and pays.

        Args:
            ids: clip ids (B,); an id may occur more than once.
            u: frame masks (B, T) bool.
            v: stage masks (B, K) bool.

        Raises:
            ValueError: for masks of another shape or dtype.
            VideoError: for a clip whose file cannot be read.
        """
        for name, mask, length in (("frame mask u", u, self.num_frames), ("stage mask v", v, self.num_stages)):
            if mask.shape != (len(ids), length) or mask.dtype != np.bool_:
                raise InputError(
                    f"{name}: got {mask.dtype} of shape {mask.shape}, expected bool of shape {(len(ids), length)}"
                )
        if self.on_pull is not None:
            self.on_pull(ids, u, v)
        known, regret = self.classifier if isinstance(self.classifier, ClipAnswers) else None, None
        if known is not None:
            u, v = np.asfortranarray(u), np.asfortranarray(v)  # a tenth of the time for sums of each clip
        answers = self._computed(ids, u, v) if known is None else known.answers(ids, u, v)
        reward_frames, reward_stages = paid(self.reward, answers)
        reward = reward_frames + reward_stages
        if known is not None:
            regret = known.best(ids, self.reward) - reward
        told: dict[str, Any] = {
            "reward": reward,
            "reward_frames": reward_frames,
            "reward_stages": reward_stages,
            "correct": answers.correct,
            "label": self.source.labels(ids),
            "macs": self.classifier.macs(u, v),
            "frames": u.sum(1),
            "stages": v.sum(1),
            "no_frames": np.logical_not(u.any(1)),
            "regret": regret,
        }
        if known is not None:
            return _KnownOutcome(answers, **told)
        shown = {name: getattr(answers, name) for name in ("prediction", "confidence", "scores")}
        return Outcome(**told, **shown, answers=answers)

    def _computed(self, ids: Ids, u: Mask, v: Mask) -> Answers:
        scores = self._scores(ids, u, v)
        targets = self.source.targets(ids)
        correct = targets[np.arange(len(ids)), scores.argmax(1)] & u.any(1)
        return Answers(correct, scores, targets, u, v, self.classifier.macs(u, v) / self._full_macs)

    def _scores(self, ids: Ids, u: Mask, v: Mask) -> NDArray[np.float32]:
        """(B, C); a clip that is asked about several times is read once."""
        distinct, of = first_of_each(ids)
        clips = self.source.clips(distinct)
        if len(distinct) == len(ids):
            return self.classifier.scores(clips, u, v)
        if isinstance(self.classifier, SharingClassifier):
            return self.classifier.scores_of(clips, of, u, v)
        return self.classifier.scores(clips[of], u, v)


def first_of_each(ids: Ids) -> tuple[Ids, NDArray[np.int64]]:
    """The ids without repetitions (A,), as they come, and where among them each of `ids` is (B,)."""
    _, first, inverse = np.unique(ids, return_index=True, return_inverse=True)
    order = first.argsort()
    return ids[first[order]], order.argsort()[inverse]
