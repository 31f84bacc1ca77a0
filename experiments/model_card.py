"""The model card of an exported folder: what it is, what it reached and at what cost, how to load it."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import PurePath
from typing import Any

import yaml
from tabulate import tabulate

from ada3d_gym.experiments import onnx_example
from ada3d_gym.experiments.exported_graphs import GraphFile, StageMask
from ada3d_gym.experiments.results import Result
from ada3d_gym.experiments.runs import Run
from ada3d_gym.experiments.tables import columns
from ada3d_gym.networks.graph_files import OPSET, SUFFIXES
from ada3d_gym.prediction.config import ModelConfig
from ada3d_gym.registration import ENVIRONMENTS

LISTED = 100  # classes; of more the number is told

# What a stranger can read off a table; rewards are told in docs/agents.md.
_SHOWN = ("top1", "map", "gmacs", "gmacs_selection", "gmacs_total", "milliseconds", "stages", "frames")
_TIMES = (
    "Operations are not time. How much time is saved depends on the machine, the batch and the decoder, and no figure "
    "includes decoding."
)


def model_card(
    name: str,
    config: ModelConfig,
    run: Run,
    results: Mapping[str, Result],
    masks: Sequence[StageMask],
    graphs: Sequence[GraphFile],
) -> str:
    """The text of README.md, with the head that Hugging Face reads.

    Args:
        name: of the model.
        config: its configuration.
        run: what it was trained by.
        results: by method: the run's, Upper among them, and those of others on the same clips.
        masks: the policy's most used stage masks, with their shares.
        graphs: the files below graphs/.
    """
    own = results[run.agent]
    parts = [
        f"---\n{yaml.safe_dump(_head(name, config, run, own), sort_keys=False, allow_unicode=True)}---",
        f"# {name}",
        _about(config, own),
        "## Figures",
        _figures(config, run, results),
        "## Use",
        _use(name),
        *(["## Graphs", _graphs(config, masks, graphs)] if graphs else []),
        "## Clips",
        _clips(config, own),
        "## Masks",
        _masks(config, masks),
        "## Training",
        _training(config, run, own),
        "## Limitations",
        _limitations(config, own, masks if graphs else ()),
    ]
    return "\n\n".join(parts) + "\n"


def _dataset(run: Run, own: Result) -> str:
    """By its name, without an import of a module that the run's id may name."""
    known = ENVIRONMENTS.get(run.env, {"dataset": run.env})["dataset"]
    return str(own.judged.get("dataset", known))


def _head(name: str, config: ModelConfig, run: Run, own: Result) -> dict[str, Any]:
    dataset = _dataset(run, own)
    metrics = [
        {"type": "accuracy", "name": "top-1 (%)", "value": own.top1},
        {"type": "mean_average_precision", "name": "mAP (%)", "value": own.map},
        {"type": "gmacs", "name": "GMACs a clip, policy included", "value": round(own.gmacs_total, 6)},
    ]
    result = {
        "task": {"type": "video-classification"},
        "dataset": {"type": dataset, "name": dataset, "split": "test"},
        "metrics": metrics,
    }
    return {
        "library_name": "ada3d-gym",
        "pipeline_tag": "video-classification",
        "tags": ["ada3d", "adaptive-inference", "video-classification", config.network],
        "metrics": ["accuracy"],
        "model-index": [{"name": name, "results": [result]}],
    }


def _about(config: ModelConfig, own: Result) -> str:
    policy = (
        "A small selection network looks at each clip first, and chooses which frames are kept and which stages are 3D."
        if config.policy.kind == "selection"
        else "One mask, the same for all clips, says which frames are kept and which stages are 3D."
    )
    frames, stages = config.clips.num_frames, len(config.stage_names)
    return (
        f"A video classifier ({config.network}, {len(config.class_names)} classes) that computes only a part of "
        "itself on each clip, after Ada3D (Li et al., *2D or not 2D? Adaptive 3D Convolution Selection for Efficient "
        f"Video Recognition*, CVPR 2021). {policy} On the test clips it keeps {own.frames:.1f} of {frames} frames and "
        f"{own.stages:.1f} of {stages} 3D stages on average."
    )


def _figures(config: ModelConfig, run: Run, results: Mapping[str, Result]) -> str:
    own, upper = results[run.agent], results["Upper"]
    less = 100 * (1 - own.gmacs_total / upper.gmacs_total)
    timed = any(result.milliseconds is not None for result in results.values())
    lines = [
        _table(run, results),
        f"`{run.agent}` is this model. Upper is the classifier on every frame with every stage, as it was before the "
        "policy's training. MACs are multiply-accumulates for one clip: the classifier's, those of the policy's own "
        "network (`selection`), and both together (`total`). "
        f"{'Milliseconds are for both too, measured on the machine of the training. ' if timed else ''}"
        "Top-1 and mAP are in percent, of videos.",
        f"In all, selection included, a clip takes {abs(less):.1f} % {'fewer' if less >= 0 else 'more'} operations "
        f"than with Upper, and top-1 is {_points(own.top1 - upper.top1)}.",
    ]
    if config.policy.kind == "selection" and not _rivals(run, results):
        lines.append(
            "No rival stands here: this table does not tell whether the policy is better than one constant mask of the "
            "same cost, with the classifier fine-tuned under it (`fixed-ft`)."
        )
    return "\n\n".join(lines)


def _table(run: Run, results: Mapping[str, Result]) -> str:
    shown = [each for each in columns(results.values()) if each.key in _SHOWN]
    shown = [each for each in shown if each.known(results.values())]
    rows = []
    for method, result in results.items():
        known = [(each, each.known([result])) for each in shown]
        figures = [f"{values[0]:.{each.digits}f}" if values else "" for each, values in known]
        share = f"{100 * result.gmacs_total / results['Upper'].gmacs_total:.1f} %"
        rows.append([f"**{method}**" if method == run.agent else method, *figures, share])
    headers = ["", *(each.header for each in shown), "total, of Upper's"]
    align = ("left", *["right"] * (len(headers) - 1))
    return str(tabulate(rows, headers, "github", disable_numparse=True, colalign=align))


def _points(difference: float) -> str:
    if abs(difference) < 0.005:
        return "the same"
    return f"{abs(difference):.2f} points {'higher' if difference > 0 else 'lower'}"


def _rivals(run: Run, results: Mapping[str, Result]) -> list[str]:
    """Methods that are neither Upper nor the run's own at any time."""
    return [method for method in results if method.partition(",")[0] not in ("Upper", run.agent)]


def _use(name: str) -> str:
    return f"""```python
from ada3d_gym.prediction import Predictor  # of the package ada3d-gym

predictor = Predictor.from_pretrained("{name}")
for video in predictor(["new.mp4"]):
    print(video.answers, video.clips[0].frame_mask, video.clips[0].stages)
```

Nothing in this folder is run by that: weights are safetensors, and `config.json` holds names and numbers."""


def _graphs(config: ModelConfig, masks: Sequence[StageMask], graphs: Sequence[GraphFile]) -> str:
    own = {mask.name: mask for mask in masks}
    rows = [
        [
            f"`{graph.file}`",
            ", ".join(name for name, bit in zip(config.stage_names, graph.stages, strict=True) if bit == "1") or "none"
            if graph.stages
            else "",
            f"{100 * graph.share:.1f} %" if graph.stages else "every clip",
            f"{own[graph.stages].frames:.1f}" if graph.stages and own[graph.stages].share else "",
            f"{graph.difference:.1e}",
        ]
        for graph in graphs
    ]
    headers = ["file", "3D stages", "of test clips", "frames they keep", "off the live network"]
    size, side, frames = config.clips.size, config.clips.observation_size, config.clips.num_frames
    onnx = any(graph.file.endswith(SUFFIXES["onnx"]) for graph in graphs)
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", *(("onnx", "onnxruntime") if onnx else ())))
    parts = [
        str(tabulate(rows, headers, "github", disable_numparse=True)),
        *(
            [
                f"The graph of the selection network takes uint8 clips (B, {frames}, 3, {side}, {side}), and gives "
                "logits and masks."
            ]
            if config.policy.kind == "selection"
            else []
        ),
        f"A graph of the classifier is for one stage mask. It takes the frames that are kept, uint8 (B, N, 3, {size}, "
        f"{size}), for any N from 1, and gives logits and probabilities (B, {len(config.class_names)}).",
        f"Each graph was tried on random clips before it came here, a classifier's with every N from 1 to {frames}. "
        "The last column is the largest difference of its logits from those of the live network, relative to the "
        f"largest logit where that is above 1 ({packages}).",
    ]
    if onnx:
        parts.append(f"ONNX files are of opset {OPSET}. With NumPy and onnxruntime alone:")
        parts.append(f"```python\n{inspect.getsource(onnx_example).strip()}\n```")
    return "\n\n".join(parts)


def _clips(config: ModelConfig, own: Result) -> str:
    clips = config.clips
    apart = f", {clips.stride} video frames apart" if clips.sampling == "strided" else f" (sampling: {clips.sampling})"
    videos = own.judged.get("videos")
    return (
        f"Each test video gives {clips.views} evenly spread clips of {clips.num_frames} frames{apart}. "
        f"Frames are scaled to a short side of {clips.short_side} pixels, "
        f"and the middle {clips.size} x {clips.size} is the classifier's; the policy sees it at "
        f"{clips.observation_size} x {clips.observation_size}. A video's scores are the means of its clips'. "
        + (f"The figures are of {videos} test videos. " if videos else "")
        + f"{_classes(config)}"
    )


def _classes(config: ModelConfig) -> str:
    if len(config.class_names) > LISTED:
        return f"The {len(config.class_names)} classes are in `config.json`."
    return f"Classes: {', '.join(config.class_names)}."


def _masks(config: ModelConfig, masks: Sequence[StageMask]) -> str:
    rows = [[f"`{mask.name}`", f"{100 * mask.share:.1f} %", f"{mask.frames:.1f}"] for mask in masks if mask.share > 0]
    named = ", ".join(config.stage_names)
    shown = tabulate(rows, ["stages", "of test clips", "frames they keep"], "github", disable_numparse=True)
    return f"{shown}\n\nBits of a stage mask are of {named}, in this order; a stage that is off is 2D."


def _training(config: ModelConfig, run: Run, own: Result) -> str:
    settings = json.dumps(_without_folders(asdict(run)), indent=1)
    versions = ", ".join(f"{name} {each}" for name, each in own.run.get("versions", {}).items())
    return (
        f"Data set: {_dataset(run, own)} (`{run.env}`). Agent: `{run.agent}`, seed {run.seed}; a wrong "
        f"answer costs the policy gamma = {run.gamma:g}. Written by {config.package}"
        f"{f'; trained with {versions}' if versions else ''}. All settings of the run:\n\n```json\n{settings}\n```"
    )


def _without_folders(value: Any) -> Any:
    """Settings without paths of the machine that they are from: a file's name is left of each."""
    if isinstance(value, dict):
        return {key: _without_folders(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_folders(each) for each in value]
    return PurePath(value.replace("\\", "/")).name if isinstance(value, str) and set(value) & set("/\\") else value


def _limitations(config: ModelConfig, own: Result, graphs: Sequence[StageMask]) -> str:
    lines = [
        "The figures are from one training, on the test videos of one data set. They say nothing of other kinds of "
        "videos, and another seed gives other figures.",
        "It always answers with one of its classes, even where none fits.",
        f"It sees the middle square of each frame, and {config.clips.num_frames} frames of each clip. It does not look "
        "at what lies beside or between them.",
        _TIMES,
    ]
    if config.policy.kind == "selection":
        lines.append("The policy sees every frame of a clip, so all are decoded before any is dropped.")
    if 0 < len(graphs) < 2 ** len(config.stage_names):
        lines.append(
            "A clip whose stage mask has no graph goes through the one with every stage on. That takes more "
            "operations, and its answer may differ. `ada3d export --stages all` writes a graph for every mask."
        )
    if own.left_out:
        lines.append(f"{own.left_out['clips']} test clips could not be decoded, and are in no figure.")
    lines.append("No license is stated: whoever shares this folder adds one.")
    return "\n".join(f"- {line}" for line in lines)
