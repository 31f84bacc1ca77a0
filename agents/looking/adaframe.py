"""AdaFrame (Wu et al., CVPR 2019): an LSTM that looks at a clip, says what it has seen, how much more there is to gain
by looking on, and where to look next.

No public code was found; what the paper's descriptions leave open is said where it is chosen.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn

from ada3d_gym.errors import InputError
from ada3d_gym.networks.macs import count_macs
from ada3d_gym.untrimmed.protocols import VideoLooks

First = Literal["memory", "middle"]
Values = Literal["encoded", "plain"]
Evidence = Literal["features", "scores"]
LEAST = 1e-4  # probability whose logarithm is taken: one sure clip must not outweigh all others


class Step(NamedTuple):
    """What the network holds after t looks at B videos.

    Attributes:
        hidden, cell: float32 (B, H), the LSTM's.
        logits: (B, C), of the classes: W_p h_t.
        place: (B,) in [0, 1], where to look next: sigmoid(W_s h_t).
        utility: (B,), V_t = W_u h_t: the discounted rewards of all looks that are still to come.
        total: (B, C), sum of the looks' class probabilities.
    """

    hidden: Tensor
    cell: Tensor
    logits: Tensor
    place: Tensor
    utility: Tensor
    total: Tensor

    def take(self, rows: Tensor) -> Step:
        """Some of the videos."""
        return Step(*(part[rows] for part in self))


class AdaFrame(nn.Module):
    """A one-layer LSTM on what a look shows and what it asks of the memory, with three linear heads.

    Args:
        features: D, of a look.
        memory: (M, E), frames of the memory and their width.
        classes: C.
        hidden: H, units of the LSTM.
        first: where the first look comes from, which is not published. "memory": from a step before it, in which the
            LSTM sees zeros in the place of a clip, so the memory decides. "middle": the middle of the video.
        evidence: what a look tells. "features", as published: the LSTM takes them in, and the classes are W_p h_t.
            "scores": the LSTM takes in the clip's class probabilities, too, and W_p h_t is added to the logarithm of
            their mean over all looks, so the prediction without an LSTM is where it starts from.
        values: what attention adds up. "plain": the frames' features, as published; where the frame is that it attends
            to is then lost. "encoded": features and positions together, as the keys have them.
    """

    positions: Tensor

    def __init__(
        self,
        features: int,
        memory: tuple[int, int],
        classes: int,
        *,
        hidden: int = 1024,
        first: First = "memory",
        evidence: Evidence = "features",
        values: Values = "encoded",
    ):
        super().__init__()
        for name, value, known in (
            ("first", first, First),
            ("values", values, Values),
            ("evidence", evidence, Evidence),
        ):
            if value not in get_args(known):
                raise InputError(f"unknown {name} {value!r}: expected one of {', '.join(get_args(known))}")
        frames, width = memory
        self.features, self.memory_shape, self.classes = features, memory, classes
        self.first, self.values, self.evidence = first, values, evidence
        self.register_buffer("positions", positional_encoding(frames, width), persistent=False)
        self.query = nn.Linear(hidden, width)
        self.lstm = nn.LSTMCell(features + width + (classes if evidence == "scores" else 0), hidden)
        self.predict = nn.Linear(hidden, classes)
        self.select = nn.Linear(hidden, 1)
        self.utility = nn.Linear(hidden, 1)

    def begin(self, memory: Tensor) -> Step:
        """Before the first look at videos with memories (B, M, E): its `place` is where that look goes."""
        zeros, nothing = (memory.new_zeros(len(memory), size) for size in (self.lstm.hidden_size, self.classes))
        step = self._heads(zeros, zeros, nothing)
        if self.first == "memory":
            return self.forward(step, memory.new_zeros(len(memory), self.features), nothing, memory)
        return step._replace(place=torch.full_like(step.place, 0.5))

    def forward(self, before: Step, seen: Tensor, scores: Tensor, memory: Tensor) -> Step:
        """The next step: h_{t-1} asks the memory, then the LSTM takes in the answer and what the clip shows.

        Args:
            before: the step before.
            seen: v_t (B, D), a look's features.
            scores: (B, C), its class probabilities.
            memory: (B, M, E).
        """
        shown = [seen, self.ask(before.hidden, memory)[0]] + [scores] * (self.evidence == "scores")
        hidden, cell = self.lstm(torch.cat(shown, 1), (before.hidden, before.cell))
        return self._heads(hidden, cell, before.total + scores)

    def ask(self, hidden: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """What the memory (B, M, E) answers to h_{t-1} (B, H): u_t (B, E), and the weights of its frames (B, M).

        z_j = ⟨W_h h_{t-1}, PE(v_j)⟩, β = softmax(z), u_t = Σ_j β_j v_j, or Σ_j β_j PE(v_j) with encoded values.
        """
        keys = memory + self.positions
        weights = torch.bmm(keys, self.query(hidden).unsqueeze(2)).squeeze(2).softmax(1)
        values = keys if self.values == "encoded" else memory
        return torch.bmm(weights.unsqueeze(1), values).squeeze(1), weights

    def _heads(self, hidden: Tensor, cell: Tensor, total: Tensor) -> Step:
        place, logits = self.select(hidden).squeeze(1).sigmoid(), self.predict(hidden)
        if self.evidence == "scores":
            looks = total.sum(1, keepdim=True).clamp(min=1)  # each look's sum to 1
            logits = logits + (total / looks).clamp(min=LEAST).log()
        return Step(hidden, cell, logits, place, self.utility(hidden).squeeze(1), total)

    def macs(self) -> int:
        """Multiply-accumulates of one step for one video, heads and attention included."""
        device = self.positions.device

        def zeros(*shape: int) -> Tensor:
            return torch.zeros(1, *shape, device=device)

        before = self._heads(zeros(self.lstm.hidden_size), zeros(self.lstm.hidden_size), zeros(self.classes))
        shown = zeros(self.features), zeros(self.classes), zeros(*self.memory_shape)
        return count_macs(lambda: self(before, *shown))

    def check(self, looks: VideoLooks) -> None:
        """Raises InputError where the network is for looks of other sizes."""
        ours = (self.features, self.memory_shape, self.classes)
        theirs = (looks.features, tuple(looks.memory_shape), len(looks.class_names))
        if ours != theirs:
            raise InputError(
                f"AdaFrame is for (features, memory, classes) = {ours}, the videos' looks have {theirs}: "
                "train one on videos of the same set, with the same networks"
            )


def positional_encoding(frames: int, width: int) -> Tensor:
    """(M, E) sines and cosines of a frame's number, from one turn in 2π frames to one in 2π · 10,000.

    As in Vaswani et al., 2017; a channel without a partner is a sine.
    """
    channel = torch.arange(width)
    rates = torch.exp(-math.log(10_000.0) * (channel // 2 * 2) / width)
    angles = torch.arange(frames).unsqueeze(1) * rates
    return torch.where(channel % 2 == 0, angles.sin(), angles.cos())
