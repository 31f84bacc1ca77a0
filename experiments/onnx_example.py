"""Answers from an exported folder with NumPy and onnxruntime alone: choose masks, keep frames, classify."""

import json
from pathlib import Path
from typing import Any

import numpy as np


class Model:
    def __init__(self, folder: str | Path):
        self.folder, self.sessions = Path(folder), dict[str, Any]()
        self.config = json.loads((self.folder / "config.json").read_text("utf-8"))

    def run(self, name: str, outputs: list[str], **inputs: np.ndarray) -> list[np.ndarray]:
        from onnxruntime import InferenceSession

        if name not in self.sessions:
            self.sessions[name] = InferenceSession(self.folder / "graphs" / f"{name}.onnx")
        found: list[np.ndarray] = self.sessions[name].run(outputs, inputs)
        return found

    def masks(self, small: np.ndarray) -> list[np.ndarray]:
        policy = self.config["policy"]
        if policy["kind"] == "selection":
            return self.run("selection", ["frame_mask", "stage_mask"], clips=small)
        return [np.tile(np.array(policy[head], bool), (len(small), 1)) for head in ("frames", "stages")]

    def scores(self, clips: np.ndarray, small: np.ndarray) -> np.ndarray:
        """Probabilities (B, C) of uint8 clips (B, T, 3, H, W); the policy sees them as `small`, of its own size."""
        scores = []
        for clip, frames, stages in zip(clips, *self.masks(small), strict=True):
            name = "classifier-" + "".join("01"[int(bit)] for bit in stages)
            if not (self.folder / "graphs" / f"{name}.onnx").exists():  # a rare mask: every stage is on instead
                name = "classifier-" + "1" * len(stages)
            scores += self.run(name, ["scores"], frames=clip[frames][None])
        return np.concatenate(scores)
