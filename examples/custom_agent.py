"""A policy of one's own, judged like every other: keep the frames in which something is there or has moved.

python -m examples.custom_agent
"""

from __future__ import annotations

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

import ada3d_gym  # noqa: F401 (registers the environments)
from ada3d_gym.evaluation import evaluate


class FrameDifference:
    """Keeps the frames that differ most from the clip's median frame, and 3D where most frames do."""

    def __init__(self, frames: int, stages: int):
        self.frames, self.stages = frames, stages

    def act(self, observations: NDArray[np.uint8]) -> NDArray[np.int8]:
        """Observations (B, T, 3, H, W) uint8 to flat masks (B, T + K) of zeros and ones."""
        clips = observations.astype(np.float32)
        change = np.abs(clips - np.median(clips, axis=1, keepdims=True)).mean((2, 3, 4))  # (B, T)
        rank = (-change).argsort(1).argsort(1)
        moving = np.median(change, axis=1) > 2.0  # in most frames something is elsewhere than in the others
        u = rank < np.where(moving, self.frames, 2)[:, None]
        v = np.repeat(moving[:, None], self.stages, axis=1)
        return np.concatenate([u, v], axis=1).astype(np.int8)


def main() -> None:
    env = gym.make("Ada3D-MotionShapes-v1", split="test", videos=140)
    bandit = env.unwrapped.bandit  # type: ignore[attr-defined]
    agent = FrameDifference(frames=4, stages=bandit.num_stages)

    clip, _ = env.reset(seed=0)  # as any Gymnasium environment: one step is an episode
    _, reward, *_, info = env.step(agent.act(clip[None])[0])
    print(f"one clip ({info['label_name']}): reward {reward:.2f}, correct {info['correct']}, {info['frames']} frames")

    result = evaluate(bandit, agent.act)
    usage = result.usage
    print(
        f"top-1 {result.top1:.1%} at {usage.macs / 1e6:.1f} MMACs, {usage.frames:.1f} frames, {usage.stages:.1f} stages"
    )


if __name__ == "__main__":
    main()
