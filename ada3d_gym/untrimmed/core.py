"""The one batched core of clip selection: B episodes of looks side by side. Every face is a thin layer over it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

import numpy as np
from gymnasium import spaces
from numpy.typing import ArrayLike, NDArray

from ada3d_gym.errors import InputError, check_flags
from ada3d_gym.masks import ActionError
from ada3d_gym.orders import Stream
from ada3d_gym.protocols import usable
from ada3d_gym.rewards import label_margin
from ada3d_gym.untrimmed.protocols import FileLooks, VideoLooks, nearest_place

LookReward = Literal["margin", "outcome"]
Range = Literal["unit", "symmetric"]
Shown = dict[str, NDArray[np.float32]] | NDArray[np.float32]
Ids = NDArray[np.int64]
Flags = NDArray[np.bool_]

_LOWEST: dict[Range, int] = {"unit": 0, "symmetric": -1}


@dataclass(frozen=True)
class Episodes:
    """B episodes under way. None of the arrays, which all have length B, is changed in place.

    Attributes:
        videos: int64, which videos are looked at.
        places: int64 (B, K), where was looked so far, in order; -1 after the last look.
        total: float32 (B, C), sum of the scores of the looks.
        features: float32 (B, D), of the last look; zeros before the first.
        memory: float32 (B, M, E), of the whole videos; M = 0 where it is not shown.
        macs: int64, of the looks so far, and of the memory where it is shown.
        best: float64, the largest margin so far; -1 before the first look.
        over: bool, whether the episode has ended.
    """

    videos: Ids
    places: Ids
    total: NDArray[np.float32]
    features: NDArray[np.float32]
    memory: NDArray[np.float32]
    macs: NDArray[np.int64]
    best: NDArray[np.float64]
    over: Flags

    def __len__(self) -> int:
        return len(self.videos)

    @property
    def counts(self) -> NDArray[np.int64]:
        """Looks so far, (B,)."""
        return np.asarray((self.places >= 0).sum(1), np.int64)

    @property
    def scores(self) -> NDArray[np.float32]:
        """The prediction of the environment, (B, C) float32: the mean over the looks; zeros before the first."""
        mean: NDArray[np.float32] = self.total / np.maximum(self.counts, 1).astype(np.float32)[:, None]
        return mean

    def take(self, rows: Flags | Ids) -> Episodes:
        """Some of the episodes."""
        return Episodes(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    def put(self, rows: Flags, others: Episodes) -> Episodes:
        """With `others` in the place of the episodes at `rows`."""
        merged = {}
        for field in fields(self):
            merged[field.name] = getattr(self, field.name).copy()
            merged[field.name][rows] = getattr(others, field.name)
        return Episodes(**merged)


class VideoOrder:
    """The order in which videos are drawn: all in random order, over and over.

    Args:
        looks: of which videos.
        rng: what the order is drawn from.
    """

    def __init__(self, looks: VideoLooks, rng: np.random.Generator):
        self._looks, self._rng = looks, rng
        self._ids = Stream(self._more)

    def draw(self, count: int) -> Ids:
        """The next `count` videos (count,); of bad ones, others in their place.

        Raises:
            VideoError: where too many videos are bad.
        """
        return usable(self._looks, self._ids.take(count))  # type: ignore[arg-type]

    def _more(self) -> Ids:
        return self._rng.permutation(len(self._looks))


class LookingCore:
    """Episodes of looks at long videos.

    Args:
        looks: what is seen where.
        steps: K, the most looks in an episode.
        price: of a look, or of the memory, that costs as many multiply-accumulates as a clip with everything kept.
        reward: "margin" pays what a look adds to the largest margin so far (AdaFrame's); "outcome" pays 1 at the end
            for a right prediction and -gamma for a wrong one.
        gamma: penalty of a wrong prediction, at least 0; of "outcome" alone.
        memory: whether episodes show the memory, and pay for it.
        flat: observations are one array, not a dictionary of several.
        actions: the range of both numbers of an action: "unit", from 0 to 1, or "symmetric", from -1 to 1, which means
            the same and suits algorithms that draw around 0 at first.

    Attributes:
        observation_space, action_space: of one episode.
    """

    def __init__(
        self,
        looks: VideoLooks,
        *,
        steps: int = 5,
        price: float = 0.05,
        reward: LookReward = "margin",
        gamma: float = 1.0,
        memory: bool = True,
        flat: bool = False,
        actions: Range = "unit",
    ):
        if isinstance(steps, bool) or not isinstance(steps, int | np.integer) or steps < 1:
            raise InputError(f"steps={steps!r}: expected a whole number of looks, at least 1")
        check_flags(memory=memory, flat=flat)
        for name, value in (("price", price), ("gamma", gamma)):
            if not (isinstance(value, int | float | np.number) and np.isfinite(value) and value >= 0):
                raise InputError(f"{name}={value!r}: expected a finite number of at least 0")
        if reward not in get_args(LookReward):
            raise InputError(f"unknown reward {reward!r}: expected one of {', '.join(get_args(LookReward))}")
        if actions not in get_args(Range):
            raise InputError(f"unknown actions {actions!r}: expected one of {', '.join(get_args(Range))}")
        self.looks, self.steps, self.price, self.reward, self.gamma = looks, int(steps), price, reward, gamma
        self.memory, self.flat = memory, flat
        shapes = {"memory": looks.memory_shape} if memory else {}
        parts: dict[str, spaces.Box] = {
            name: spaces.Box(-np.inf, np.inf, shape, np.float32)
            for name, shape in {**shapes, "clip": (looks.features,)}.items()
        }
        shares = {"scores": len(looks.class_names), "place": 1, "looks": 1}
        parts |= {name: spaces.Box(0, 1, (length,), np.float32) for name, length in shares.items()}
        self.observation_space: spaces.Space[Any] = spaces.Dict({**parts})
        if flat:
            length = sum(int(np.prod(part.shape)) for part in parts.values())
            self.observation_space = spaces.Box(-np.inf, np.inf, (length,), np.float32)
        self._lowest = _LOWEST[actions]
        self.action_space = spaces.Box(self._lowest, 1, (2,), np.float32)
        self.seed(None)

    def seed(self, seed: int | np.random.SeedSequence | None) -> None:
        """Starts the order that `draw` follows afresh; environments have orders of their own."""
        self._order = VideoOrder(self.looks, np.random.default_rng(seed))

    def draw(self, count: int) -> Ids:
        """The next `count` videos (count,); of bad ones, others in their place.

        Raises:
            VideoError: where too many videos are bad.
        """
        return self._order.draw(count)

    def start(self, videos: Ids) -> Episodes:
        """Episodes on videos (B,), before the first look."""
        count = len(videos)
        memory = self.looks.memory(videos) if self.memory else np.zeros((count, 0, 0), np.float32)
        return Episodes(
            videos=np.asarray(videos, np.int64),
            places=np.full((count, self.steps), -1, np.int64),
            total=np.zeros((count, len(self.looks.class_names)), np.float32),
            features=np.zeros((count, self.looks.features), np.float32),
            memory=memory,
            macs=np.full(count, self.looks.memory_macs if self.memory else 0, np.int64),
            best=np.full(count, -1.0),
            over=np.zeros(count, np.bool_),
        )

    def step(self, episodes: Episodes, actions: ArrayLike) -> tuple[Episodes, NDArray[np.float64]]:
        """Looks, or stops.

        Args:
            episodes: B, none of which is over.
            actions: (B, 2), a place from 0 (the first clip) to 1 (the last), of which the nearest is looked at, and
                whether to stop instead: above 0.5. At least one look is made: a stop before it looks. Where
                actions are symmetric, -1 and 0 stand for 0 and 0.5.

        Returns:
            The episodes as they are now, and rewards (B,) float64.

        Raises:
            ActionError: for actions of another shape, and numbers outside their range.
        """
        position, stop = self._checked(actions, len(episodes)).T
        counts = episodes.counts
        looking = (stop <= 0.5) | (counts == 0)
        paid = np.where(counts == 0, episodes.macs, 0)  # of the memory, which the first look pays for
        after = episodes
        if looking.any():
            looked = episodes.take(looking)
            place = nearest_place(position[looking], self.looks.places)
            look = self.looks.at(looked.videos, place)
            places = looked.places.copy()
            places[np.arange(len(places)), counts[looking]] = place
            paid[looking] += look.macs
            looked = Episodes(
                videos=looked.videos,
                places=places,
                total=looked.total + look.scores,
                features=look.features,
                memory=looked.memory,
                macs=looked.macs + look.macs,
                best=looked.best,
                over=looked.over,
            )
            after = episodes.put(looking, looked)
        margin = self.margin(after)
        best, over = np.maximum(episodes.best, margin), ~looking | (after.counts == self.steps)
        rewards = -self.price * paid / self.looks.whole_macs
        if self.reward == "margin":
            rewards += best - episodes.best
        else:
            rewards += np.where(over, np.where(self.correct(after), 1.0, -self.gamma), 0.0)
        changed = {"best": best, "over": over}
        return Episodes(**{**vars(after), **changed}), rewards

    def margin(self, episodes: Episodes) -> NDArray[np.float64]:
        """(B,) the largest mean score of the labels minus that of any other class, in [-1, 1]."""
        return label_margin(episodes.scores, self.looks.targets(episodes.videos))

    def correct(self, episodes: Episodes) -> Flags:
        """(B,) whether the likeliest class is one of the labels; False before the first look."""
        right = self.looks.targets(episodes.videos)[np.arange(len(episodes)), episodes.scores.argmax(1)]
        return np.asarray(right & (episodes.counts > 0))

    def observe(self, episodes: Episodes) -> Shown:
        """New observations, float32, of B episodes: by name, or flat (B, length) in the same order."""
        count, rows = episodes.counts, np.arange(len(episodes))
        last = np.where(count > 0, episodes.places[rows, np.maximum(count, 1) - 1], 0)
        parts = {"memory": episodes.memory.copy()} if self.memory else {}
        parts |= {
            "clip": episodes.features.copy(),
            "scores": episodes.scores,
            "place": (last / max(1, self.looks.places - 1)).astype(np.float32)[:, None],
            "looks": (count / self.steps).astype(np.float32)[:, None],
        }
        if not self.flat:
            return parts
        return np.concatenate([part.reshape(len(part), -1) for part in parts.values()], axis=1)

    def close(self) -> None:
        """Stops decoding; the next look starts it again, so that other environments may share the looks."""
        if isinstance(self.looks, FileLooks):
            self.looks.close()

    def _checked(self, actions: ArrayLike, count: int) -> NDArray[np.float64]:
        """The same (B, 2), from 0 to 1."""
        expected = f"expected a place and whether to stop, each from {self._lowest} to 1"
        times = f", for each of {count} environments"
        try:
            array: NDArray[Any] = np.asarray(actions)
        except ValueError as error:
            raise ActionError(f"action of uneven length: {expected}{times}") from error
        if array.dtype.kind not in "biuf":
            raise ActionError(f"action of dtype {array.dtype}: {expected}")
        if array.shape != (count, 2):
            raise ActionError(f"action of shape {array.shape}: {expected}{times}")
        if (bad := array[~((array >= self._lowest) & (array <= 1))]).size:  # catches NaN too
            raise ActionError(f"action holds {bad.flat[0]}: {expected}")
        return (array.astype(np.float64) - self._lowest) / (1 - self._lowest)
