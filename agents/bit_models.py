"""Bayesian linear regressions of what a mask pays on the bits of the mask and the context of the clip.

All take contexts x (B, d) float32, whose first entry is 1, bits (B, n) bool and rewards (B, 2) float32 of the frame
head and the stage head; of bit j, only the reward of head `heads[j]` counts. All answer with advantages (B, n): how
much more it should pay to set a bit than to leave it. Sums are kept as precision matrix and moments, so an update costs
the same however many pulls there were. With `forget` below 1 older pulls count less: the reward depends on all bits,
and pulls of an earlier policy tell little about what a bit pays beside the present one's.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import torch
from torch import Tensor

from ada3d_gym.errors import DivergedError


class BitModel(ABC):
    """What the two models share: sums, and their solution.

    Args:
        shape: of the stacked precision matrices (…, m, m), without the last m.
        columns: of the moments (…, m, columns).
        ridge: prior precision of every weight.
        forget: all sums are multiplied by this before each update; 1 keeps them.
        device: where they are.
    """

    def __init__(self, shape: tuple[int, ...], columns: int, ridge: float, forget: float, device: str):
        self._ridge, self._forget = ridge, forget
        self.precision = torch.zeros(*shape, shape[-1], device=device)
        self.precision.diagonal(dim1=-2, dim2=-1).fill_(ridge)
        self.moments = torch.zeros(*shape, columns, device=device)
        self._solve()

    @abstractmethod
    def add(self, x: Tensor, bits: Tensor, rewards: Tensor) -> None:
        """One update with a batch of pulls."""

    @abstractmethod
    def mean(self, x: Tensor) -> Tensor:
        """Advantages by the posterior's mean."""

    @abstractmethod
    def sampled(self, x: Tensor, scale: float, rng: np.random.Generator) -> Tensor:
        """Advantages by one draw of all weights, the same for the whole batch, with deviations `scale` times as large.

        In units of the reward, scale is the standard deviation of what the model cannot explain.
        """

    @abstractmethod
    def optimistic(self, x: Tensor, alpha: float) -> Tensor:
        """Differences of upper bounds: alpha standard deviations are added to what each value of a bit should pay."""

    def _forgotten(self) -> None:
        if self._forget < 1:
            self.precision.mul_(self._forget).diagonal(dim1=-2, dim2=-1).add_(self._ridge * (1 - self._forget))
            self.moments.mul_(self._forget)

    def _solve(self) -> None:
        """Raises DivergedError for sums that a float32 cannot hold."""
        self._root, failed = torch.linalg.cholesky_ex(self.precision)
        if failed.any():
            raise DivergedError(f"the regression has no solution at ridge={self._ridge}; a larger one helps")
        self._weights = torch.cholesky_solve(self.moments, self._root)
        self._covariance: Tensor | None = None

    def _drawn(self, scale: float, rng: np.random.Generator) -> Tensor:
        """Weights (…, m, columns)."""
        normal = torch.from_numpy(rng.standard_normal(self.moments.shape, np.float32)).to(self.moments)
        drawn: Tensor = self._weights + scale * torch.linalg.solve_triangular(self._root.mT, normal, upper=True)
        return drawn

    @property
    def covariance(self) -> Tensor:
        """Of the weights (…, m, m), for noise of deviation 1."""
        if self._covariance is None:
            self._covariance = torch.cholesky_inverse(self._root)
        return self._covariance

    def state_dict(self) -> dict[str, Tensor]:
        return {"precision": self.precision, "moments": self.moments}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.precision.copy_(state["precision"])
        self.moments.copy_(state["moments"])
        self._solve()


class JointBits(BitModel):
    """One regression for all bits: r = x·θ_0 + Σ_j (a_j - 1/2) x·θ_j, of both heads.

    Every bit's effect is estimated beside those of the others, which so are no noise to it. What the model leaves out
    are products of bits: the effect of a bit is that beside the other bits as they are set of late.
    """

    def __init__(self, dims: int, heads: Tensor, ridge: float, forget: float, device: str):
        self._dims, self._heads = dims, heads.to(device)
        super().__init__(((1 + len(heads)) * dims,), 2, ridge, forget, device)

    def add(self, x: Tensor, bits: Tensor, rewards: Tensor) -> None:
        effects = torch.cat([x.new_ones(len(x), 1), bits.to(x) - 0.5], 1)
        rows = (effects[:, :, None] * x[:, None]).flatten(1)  # (B, (1 + n) d)
        self._forgotten()
        self.precision.addmm_(rows.T, rows)
        self.moments.addmm_(rows.T, rewards)
        self._solve()

    def mean(self, x: Tensor) -> Tensor:
        return self._advantages(x, self._weights)

    def sampled(self, x: Tensor, scale: float, rng: np.random.Generator) -> Tensor:
        return self._advantages(x, self._drawn(scale, rng))

    def optimistic(self, x: Tensor, alpha: float) -> Tensor:
        """The bounds of a bit are those of the pull's reward with the other bits half set."""
        count = 1 + len(self._heads)
        blocks = self.covariance.view(count, self._dims, count, self._dims)
        each = torch.arange(1, count, device=x.device)

        def form(matrices: Tensor) -> Tensor:
            """x' M x (B, n) of matrices (n, d, d)."""
            return ((x @ matrices) * x).sum(2).T

        base, own, cross = form(blocks[:1, :, 0]), form(blocks[each, :, each]), form(blocks[0].transpose(0, 1)[1:])
        on, off = ((base + own / 4 + sign * cross).clamp(min=0).sqrt() for sign in (1, -1))
        return self.mean(x) + alpha * (on - off)

    def _advantages(self, x: Tensor, weights: Tensor) -> Tensor:
        effects = weights.view(-1, self._dims, 2)[1:]  # (n, d, 2)
        own = effects.gather(2, self._heads[:, None, None].expand(-1, self._dims, 1))[:, :, 0]
        return x @ own.T


class SeparateBits(BitModel):
    """A regression for each of the two values of each bit, r = x·θ_{j,a_j}, as if there were no other bits.

    What the other bits do to the reward is noise to it, and where they are set together, their effect is taken for its
    own. The plainest thing to try, and the weaker one.
    """

    def __init__(self, dims: int, heads: Tensor, ridge: float, forget: float, device: str):
        self._heads = heads.to(device)
        super().__init__((2 * len(heads), dims), 1, ridge, forget, device)

    def add(self, x: Tensor, bits: Tensor, rewards: Tensor) -> None:
        value = torch.cat([~bits, bits], 1).to(x)  # (B, 2n): all bits that are not set, then all that are
        counted = value.T[:, :, None] * x  # (2n, B, d)
        self._forgotten()
        self.precision += counted.mT @ x
        self.moments += ((value * rewards[:, self._heads].repeat(1, 2)).T @ x)[:, :, None]
        self._solve()

    def mean(self, x: Tensor) -> Tensor:
        return self._difference(x @ self._weights[:, :, 0].T)

    def sampled(self, x: Tensor, scale: float, rng: np.random.Generator) -> Tensor:
        return self._difference(x @ self._drawn(scale, rng)[:, :, 0].T)

    def optimistic(self, x: Tensor, alpha: float) -> Tensor:
        spread = ((x @ self.covariance) * x).sum(2).clamp(min=0).sqrt().T
        return self._difference(x @ self._weights[:, :, 0].T + alpha * spread)

    @staticmethod
    def _difference(values: Tensor) -> Tensor:
        off, on = values.chunk(2, 1)
        return on - off
