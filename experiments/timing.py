"""Measured time: what is compared runs in turn, in one process, round after round."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ada3d_gym.agents.agent import Agent
from ada3d_gym.bandit import ClipBandit
from ada3d_gym.devices import checked_device
from ada3d_gym.observers import FeatureObserver
from ada3d_gym.progress import Progress
from ada3d_gym.turns import alternate as alternate

Bits = NDArray[np.bool_]

CLIPS, BATCH, ROUNDS = 256, 128, 5
FEWEST = 4
MACS = {"cpu": 3e10, "cuda": 1e13}  # of a round of all methods, so that it takes a second or two


@contextmanager
def one_thread(device: str) -> Iterator[None]:
    """For networks this small, a second thread on a CPU costs twice the work and saves no time."""
    threads = torch.get_num_threads()
    if checked_device(device) == "cpu":
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@dataclass(frozen=True)
class Timed:
    """A method to be timed.

    Attributes:
        u, v: the masks (N, T) and (N, K) that it chose for all clips.
        agent: what chose them; its network is timed too, if it has one.
    """

    u: Bits
    v: Bits
    agent: Agent | None = None

    @classmethod
    def everything(cls, bandit: ClipBandit) -> Timed:
        """Upper."""
        return cls(np.ones((1, bandit.num_frames), np.bool_), np.ones((1, bandit.num_stages), np.bool_))


def milliseconds(bandit: ClipBandit, methods: Mapping[str, Timed]) -> dict[str, tuple[float, float]]:
    """Measured time a clip of each method: all of it, and the part of the policy's own network.

    The classifier, in its inference form, classifies up to 256 of the clips, evenly spread, in batches of 128, under
    the masks that each method chose for them; a policy with a network looks at the same clips. All are loaded before.
    Methods take turns, five rounds after one to warm up; the median counts. On a CPU one thread computes. Of large
    networks fewer clips are timed, on a CPU down to 4.

    Args:
        bandit: of the clips that the methods were judged on; its classifier's weights do not matter.
        methods: by name.
    """
    classifier, source = bandit.classifier, bandit.source
    device = getattr(classifier, "device", torch.device("cpu")).type
    spent = sum(float(classifier.macs(each.u, each.v).mean()) for each in methods.values())
    count = int(min(len(source), CLIPS, max(FEWEST, MACS.get(device, MACS["cpu"]) / max(spent, 1.0))))
    rows = np.linspace(0, len(source) - 1, count).astype(np.int64)
    ids = bandit.usable(rows)
    clips = source.clips(ids)
    batches = [slice(start, start + BATCH) for start in range(0, count, BATCH)]

    def classify(method: Timed) -> Callable[[], object]:
        # of clips that could not be judged there are no masks; which clip has which does not matter for time
        chosen = rows * len(method.u) // len(source)
        u, v = method.u[chosen], method.v[chosen]
        return lambda: [classifier.scores(clips[batch], u[batch], v[batch]) for batch in batches]

    def select(agent: Agent) -> Callable[[], object]:
        observer = agent.bandit.observer
        if isinstance(observer, FeatureObserver):  # its trunk counts among the agent's operations
            pixels = source.observations(ids)
            return lambda: [agent.act(observer.of_pixels(pixels[batch])) for batch in batches]
        shown = observer(ids)
        return lambda: [agent.act(shown[batch]) for batch in batches]

    ways = {(name, "classifier"): classify(method) for name, method in methods.items()}
    for name, method in methods.items():
        if method.agent is not None and method.agent.macs:
            ways[name, "selection"] = select(method.agent)
    shown = Progress((ROUNDS + 1) * len(ways), "measuring time", "turn")
    with shown, one_thread(str(device)):  # results are fetched from a GPU, so that each turn waits for its end
        turns = alternate(ways, ROUNDS, before=shown.add)
    seconds = {key: float(np.median(times)) for key, times in turns.items()}
    found = {}
    for name in methods:
        selection = 1e3 * seconds.get((name, "selection"), 0.0) / count
        found[name] = 1e3 * seconds[name, "classifier"] / count + selection, selection
    return found
