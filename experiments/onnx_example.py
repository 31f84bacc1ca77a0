"""Answers from an exported folder with NumPy and onnxruntime alone: choose masks, keep frames, classify."""

import json
from pathlib import Path

import numpy as np
from onnxruntime import InferenceSession


class Model:
    def __init__(self, folder):
        self.folder, self.sessions = Path(folder), {}
        self.config = json.loads((self.folder / "config.json").read_text("utf-8"))

    def run(self, name, outputs, **inputs):
        if name not in self.sessions:
            self.sessions[name] = InferenceSession(self.folder / "graphs" / f"{name}.onnx")
        return self.sessions[name].run(outputs, inputs)

    def masks(self, small):
        policy = self.config["policy"]
        if policy["kind"] == "selection":
            return self.run("selection", ["frame_mask", "stage_mask"], clips=small)
        return [np.tile(np.array(policy[head], bool), (len(small), 1)) for head in ("frames", "stages")]

    def scores(self, clips, small):
        """Probabilities (B, C) of uint8 clips (B, T, 3, H, W); the policy sees them as `small`, of its own size."""
        scores = []
        for clip, frames, stages in zip(clips, *self.masks(small), strict=True):
            name = "classifier-" + "".join("01"[bit] for bit in stages.astype(int))
            if not (self.folder / "graphs" / f"{name}.onnx").exists():  # a rare mask: every stage is on instead
                name = "classifier-" + "1" * len(stages)
            scores += self.run(name, ["scores"], frames=clip[frames][None])
        return np.concatenate(scores)
