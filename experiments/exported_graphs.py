"""The graphs of an exported folder: which there are, written and held to the live networks one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ada3d_gym.networks.graph_files import SUFFIXES, Format, check_classifier, check_selection, write_graph
from ada3d_gym.networks.graphs import SelectionGraph, classifier_graph
from ada3d_gym.networks.masked import MaskedNetwork
from ada3d_gym.networks.selection import SelectionNetwork
from ada3d_gym.prediction.config import ModelConfig

FOLDER = "graphs"  # in an exported one
COVERED = 0.99  # of the test clips, by the stage masks that get a graph


@dataclass(frozen=True)
class StageMask:
    """A stage mask, and how much the policy uses it.

    Attributes:
        bits: K of them.
        share: of the test clips that have it, from 0 to 1.
        frames: that these keep on average; 0 where there are none.
    """

    bits: tuple[bool, ...]
    share: float
    frames: float

    @property
    def name(self) -> str:
        """Such as "10110"."""
        return "".join("01"[bit] for bit in self.bits)


@dataclass(frozen=True)
class GraphFile:
    """A graph that was written.

    Attributes:
        file: its path in the exported folder.
        stages: the stage mask's bits; "" of the selection network.
        share: of the test clips that have this stage mask.
        difference: the largest of its logits from those of the live network, on random clips of every number of kept
            frames, relative to the largest logit where that is above 1.
    """

    file: str
    stages: str
    share: float
    difference: float


def stage_masks(
    config: ModelConfig, u: NDArray[np.bool_], v: NDArray[np.bool_], *, every: bool = False
) -> list[StageMask]:
    """The stage masks that get a graph, the most used first.

    Args:
        config: of the model.
        u, v: masks (N, T) and (N, K) of the test clips.
        every: all that there are, instead of those that cover `COVERED` of the clips and the one with every stage on.
    """
    found, which, counts = np.unique(v.astype(bool), axis=0, return_inverse=True, return_counts=True)
    used = {
        tuple(bits): StageMask(tuple(bits), count / len(v), float(u[which.ravel() == row].sum(1).mean()))
        for row, (bits, count) in enumerate(zip(found.tolist(), counts.tolist(), strict=True))
    }
    ordered = sorted(used.values(), key=lambda mask: (-mask.share, mask.name))
    if every:
        rest = sorted(product((True, False), repeat=len(config.stage_names)), reverse=True)
        return ordered + [StageMask(bits, 0.0, 0.0) for bits in rest if bits not in used]
    before = np.cumsum([0.0, *(mask.share for mask in ordered)])[:-1]
    kept = [mask for mask, share in zip(ordered, before, strict=True) if share < COVERED]
    whole = (True,) * len(config.stage_names)
    if whole not in {mask.bits for mask in kept}:  # stands in for those without a graph
        kept.append(used.get(whole, StageMask(whole, 0.0, 0.0)))
    return kept


def write_graphs(
    config: ModelConfig,
    classifier: MaskedNetwork,
    selection: SelectionNetwork | None,
    masks: Sequence[StageMask],
    formats: Sequence[Format],
    folder: Path,
    about: Mapping[str, str],
) -> Iterator[GraphFile]:
    """Writes `graphs/selection.*` and `graphs/classifier-BITS.*`, and yields each once it has been checked.

    Args:
        config: of the model.
        classifier, selection: its networks; None of a policy that is one mask.
        masks: stage masks.
        formats: of the graphs.
        folder: the model's.
        about: what each file is to say of itself, beside its stage mask.

    Raises:
        GraphError: for a graph that computes something else than its network.
        OutputError: for a full disk or a place that cannot be written to.
    """
    frames, size, side = config.clips.num_frames, config.clips.size, config.clips.observation_size
    for format in formats:
        if selection is not None:
            name = f"{FOLDER}/selection{SUFFIXES[format]}"
            write_graph(SelectionGraph(selection, side), folder / name, about)
            yield GraphFile(name, "", 1.0, check_selection(folder / name, selection, side))
        for mask in masks:
            name = f"{FOLDER}/classifier-{mask.name}{SUFFIXES[format]}"
            write_graph(classifier_graph(classifier, mask.bits, size), folder / name, {**about, "stages": mask.name})
            difference = check_classifier(folder / name, classifier, mask.bits, frames, size)
            yield GraphFile(name, mask.name, mask.share, difference)
