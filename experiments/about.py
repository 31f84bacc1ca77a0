"""What a bug report should say: versions, devices, decoders, the cache folder, ids, weights (`python -m ada3d_gym`)."""

from __future__ import annotations

from ada3d_gym.about import about
from ada3d_gym.experiments.cli import run

if __name__ == "__main__":
    run(about)
