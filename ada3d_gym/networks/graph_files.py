"""Graphs in files, ONNX or PyTorch's own, each held to the live network once it is written."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from ada3d_gym.errors import Ada3DError, InputError
from ada3d_gym.files import replacing
from ada3d_gym.networks.graphs import Graph
from ada3d_gym.networks.inference import inference_form
from ada3d_gym.networks.masked import MaskedNetwork
from ada3d_gym.networks.selection import SelectionNetwork

Format = Literal["onnx", "torch"]
SUFFIXES: dict[Format, str] = {"onnx": ".onnx", "torch": ".pt2"}
OPSET = 18  # of ONNX: what PyTorch's exporter is written for
TOLERANCE = 1e-4  # of logits, relative to the largest where that is above 1

Runner = Callable[[NDArray[np.uint8]], list[NDArray[Any]]]
"""A graph's outputs, in the order of `Graph.output_names`, for its input."""


class GraphError(Ada3DError):
    """A graph that was written and computes something else than its network."""


def check_format(format: Format) -> None:
    """Raises InputError where what the format needs is not installed, naming the extra."""
    if format == "onnx":
        try:
            import onnx  # noqa: F401
            import onnxruntime  # noqa: F401
            import onnxscript  # noqa: F401
        except ModuleNotFoundError as error:
            raise InputError(
                f"ONNX graphs need {error.name}, which is not installed: pip install 'ada3d-gym[export]', "
                "or leave them out (--graphs torch, --graphs none)"
            ) from error


def write_graph(graph: Graph, path: Path, about: Mapping[str, str] | None = None) -> None:
    """Writes a graph, whole or not at all; its format is that of the path's ending, .onnx or .pt2.

    Args:
        graph: of a network.
        path: of the file.
        about: what the file is to say of itself: metadata of an ONNX model, extra files in PyTorch's archive.

    Raises:
        InputError: for another ending, and without the packages that ONNX needs.
        OutputError: for a full disk or a place that cannot be written to.
    """
    format = _format_of(path)
    check_format(format)
    axes = {position: torch.export.Dim(name, min=1) for position, name in graph.dynamic.items()}
    content = _onnx_bytes(graph, axes, about or {}) if format == "onnx" else _torch_bytes(graph, axes, about or {})
    with replacing(path) as part:
        part.write_bytes(content)


def _format_of(path: Path) -> Format:
    for format, suffix in SUFFIXES.items():
        if path.suffix == suffix:
            return format
    raise InputError(f"{path}: expected a name that ends in {' or '.join(SUFFIXES.values())}")


def _torch_bytes(graph: Graph, axes: dict[int, Any], about: Mapping[str, str]) -> bytes:
    program = torch.export.export(graph, (graph.example(),), dynamic_shapes=(axes,))
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # has paths of this machine
    content = io.BytesIO()
    torch.export.save(program, content, extra_files=dict(about))
    return content.getvalue()


def _onnx_bytes(graph: Graph, axes: dict[int, Any], about: Mapping[str, str]) -> bytes:
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")  # of the exporter's own parts
        exported = torch.onnx.export(
            graph,
            (graph.example(),),
            dynamo=True,
            dynamic_shapes=(axes,),
            input_names=[graph.input_name],
            output_names=list(graph.output_names),
            opset_version=OPSET,
            verbose=False,
        )
    assert exported is not None
    model = exported.model_proto
    for node in model.graph.node:
        del node.metadata_props[:]  # notes of the exporter: long, and with paths of this machine
    for key, value in about.items():
        model.metadata_props.add(key=key, value=value)
    content: bytes = model.SerializeToString()
    return content


def open_graph(path: Path, threads: int = 0) -> Runner:
    """A graph in a file, ready to run on the CPU. PyTorch's files are pickles in part: open those that you trust.

    Args:
        path: as `write_graph` has written it.
        threads: of onnxruntime; its own choice by default.
    """
    if _format_of(path) == "torch":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.export.load(path).module()
        return lambda images: [output.numpy() for output in program(torch.from_numpy(images))]
    check_format("onnx")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda images: session.run(None, {session.get_inputs()[0].name: images})


@torch.inference_mode()
def check_selection(path: Path, selection: SelectionNetwork, size: int, *, seed: int = 0) -> float:
    """The largest difference between logits of a written graph and of its network, on random clips.

    It is relative to the largest logit, where that is above 1.

    Raises:
        GraphError: where it is above `TOLERANCE`.
    """
    run, form, rng = open_graph(path), inference_form(selection).cpu(), np.random.default_rng(seed)
    worst = 0.0
    for batch in (1, 3):
        clips = _noise(rng, batch, selection.trunk.num_frames, size)
        frames, stages, *_ = run(clips)
        expected = form(torch.from_numpy(clips))
        for got, logits in ((frames, expected.frames), (stages, expected.stages)):
            worst = max(worst, _difference(path, f"{batch} clips", got, logits.numpy()))
    return worst


@torch.inference_mode()
def check_classifier(
    path: Path, network: MaskedNetwork, v: Sequence[bool], frames: int, size: int, *, seed: int = 0
) -> float:
    """The largest difference between logits of a written graph and of its network, for every number of kept frames.

    Args:
        path: of the graph.
        network: what it was made from.
        v: its stage mask.
        frames: T; clips of so many random frames are tried, of which 1, 2, …, T are kept in random places.
        size: side of the clips, in pixels.
        seed: of the clips.

    Returns:
        It relative to the largest logit, where that is above 1.

    Raises:
        GraphError: where it is above `TOLERANCE`.
    """
    run, form, rng = open_graph(path), inference_form(network).cpu(), np.random.default_rng(seed)
    worst = 0.0
    for kept in range(1, frames + 1):
        batch = 1 + kept % 2
        clips = _noise(rng, batch, frames, size)
        u = rng.random((batch, frames)).argsort(1) < kept
        logits, _ = run(clips[u].reshape(batch, kept, *clips.shape[2:]))
        stages = torch.tensor([list(v)] * batch, dtype=torch.bool)
        expected = form(torch.from_numpy(clips), torch.from_numpy(u), stages).numpy()
        worst = max(worst, _difference(path, f"{kept} kept frames", logits, expected))
    return worst


def _noise(rng: np.random.Generator, batch: int, frames: int, size: int) -> NDArray[np.uint8]:
    return rng.integers(0, 256, (batch, frames, 3, size, size), np.uint8)


def _difference(path: Path, where: str, got: NDArray[np.floating], expected: NDArray[np.floating]) -> float:
    worst = float(np.abs(got - expected).max() / max(1.0, np.abs(expected).max()))
    if not worst <= TOLERANCE:
        raise GraphError(
            f"{path.name} is {worst:.2g} off its network for {where}, at most {TOLERANCE:g} expected: leave graphs of "
            "this format out (--graphs), or try other versions of torch, onnxscript and onnxruntime"
        )
    return worst


logging.getLogger("torch.onnx").setLevel(logging.ERROR)
