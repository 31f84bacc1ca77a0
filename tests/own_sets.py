"""Data sets of one's own, as a user would register them in a module of theirs."""

from __future__ import annotations

from pathlib import Path

import ada3d_gym


def labelled(root: Path, split: str) -> list[tuple[str, list[str]]]:
    """Lines such as `a.mp4,walk;wave`."""
    lines = (root / f"{split}.txt").read_text().splitlines()
    return [(path, labels.split(";")) for path, labels in (line.split(",") for line in lines)]


ada3d_gym.register_dataset("Gestures", labelled, classes=["walk", "wave", "jump", "nod"], metric="mAP")
ada3d_gym.register_dataset("MyClips", "videos")
