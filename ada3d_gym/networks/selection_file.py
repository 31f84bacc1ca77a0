"""Whole selection networks on disk, with what they choose among beside the weights."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from ada3d_gym.errors import InputError
from ada3d_gym.networks.checkpoints.fitting import CheckpointError
from ada3d_gym.networks.checkpoints.kinds import Kind, kind_of
from ada3d_gym.networks.checkpoints.weights import load_weights, save_weights
from ada3d_gym.networks.mobilenet import MOBILENETS
from ada3d_gym.networks.selection import Aggregation, ClipTrunk, SelectionNetwork

_ENTRY = "ada3d_selection"  # in the file's metadata
_EXPECTED = "a selection network, as 'ada3d train' writes it to selection.safetensors"


class SelectionError(InputError, CheckpointError):
    """A file that is no selection network, or one for other clips."""


@dataclass(frozen=True)
class SelectionShape:
    """What a selection network is, and what it chooses among.

    Attributes:
        num_frames, num_stages: T and K.
        stage_names: of the K stages, or () where the file does not say.
        side: of the square frames that it saw in training, in pixels, or 0 where the file does not say.
        backbone: a name in `ada3d_gym.networks.mobilenet.MOBILENETS`; "" of one that is shown features of frames.
        aggregation: "concat" or "mean".
        hidden: width of the layer after "concat", else 0.
    """

    num_frames: int
    num_stages: int
    stage_names: tuple[str, ...]
    side: int
    backbone: str
    aggregation: Aggregation
    hidden: int

    def __str__(self) -> str:
        stages = f" ({', '.join(self.stage_names)})" if self.stage_names else ""
        pixels = f" of {self.side} pixels" if self.side else ""
        return f"{self.num_frames} frames{pixels} and {self.num_stages} stages{stages}"


def save_selection(selection: SelectionNetwork, path: Path, stage_names: Sequence[str], side: int) -> None:
    """Writes a selection network, whole or not at all.

    Args:
        selection: the network.
        path: of the safetensors file.
        stage_names: of the stages that it chooses among, K.
        side: of the frames that it sees, in pixels.

    Raises:
        OutputError: for a full disk or a place that cannot be written to.
    """
    shape = _shape_of(path, selection.state_dict())
    told = {**asdict(shape), "stage_names": list(stage_names), "side": side}
    save_weights(selection, path, {_ENTRY: json.dumps(told, sort_keys=True)})


def load_selection(
    path: Path | str,
    *,
    num_frames: int | None = None,
    stage_names: Sequence[str] | None = None,
    side: int | None = None,
) -> SelectionNetwork:
    """A whole selection network from a file; nothing in it is ever run.

    Args:
        path: of a file that `save_selection` has written, or of the bare weights, whose shapes tell all but the names
            of the stages and the side of the frames.
        num_frames, stage_names, side: what clips it is to choose for have; what is None is not looked at.

    Raises:
        SelectionError: for a file that is none, and for the network of other clips, naming what does not fit.
        CheckpointError: for a damaged file, and for values that no trained network has.
    """
    shape = read_selection_shape(path)
    wanted: list[str] = []
    if num_frames not in (None, shape.num_frames):
        wanted.append(f"{num_frames} frames")
    if side is not None and shape.side not in (0, side):
        wanted.append(f"frames of {side} pixels")
    if stage_names is not None:
        named = shape.stage_names or tuple(stage_names)
        if (shape.num_stages, *named) != (len(stage_names), *stage_names):
            wanted.append(f"{len(stage_names)} stages ({', '.join(stage_names)})")
    if wanted:
        raise SelectionError(
            f"the selection network of {path} chooses among {shape}; these clips and this 3D network have "
            f"{' and '.join(wanted)}: give a selection network that was trained for them"
        )
    if not shape.backbone:
        raise SelectionError(
            f"{path}: the heads of a selection network that was shown features of frames, without the backbone that "
            "they came from; give one that was trained on pixels (--observation pixels)"
        )
    trunk = ClipTrunk(shape.num_frames, shape.backbone, shape.aggregation, shape.hidden or 128)
    selection = SelectionNetwork(trunk, shape.num_stages)
    load_weights(selection, path)
    return selection.eval()


def read_selection_shape(path: Path | str) -> SelectionShape:
    """What the selection network in a file chooses among.

    Raises:
        CheckpointError: for a file that cannot be read; a `SelectionError` where it is another network's.
    """
    path = Path(path)
    if kind_of(path, _EXPECTED) is not Kind.SAFETENSORS:
        raise SelectionError(f"{path}: no safetensors file; expected {_EXPECTED}")
    try:
        with safe_open(path, "pt") as file:
            told = json.loads((file.metadata() or {}).get(_ENTRY, "{}"))
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no dict)
    except (SafetensorError, OSError, ValueError) as error:
        raise SelectionError(f"{path}: not readable ({error}); download or copy it again") from error
    shape = _shape_of(path, state)
    names, side = (told.get("stage_names"), told.get("side")) if isinstance(told, dict) else (None, None)
    known = isinstance(names, list) and len(names) == shape.num_stages and all(isinstance(name, str) for name in names)
    if told == {}:
        return shape
    if not (known and isinstance(side, int)):
        raise SelectionError(f"{path}: what it says of itself does not fit its weights; copy it again")
    return replace(shape, stage_names=tuple(names or ()), side=side or 0)


def _shape_of(path: Path, state: Mapping[str, Tensor]) -> SelectionShape:
    """What the shapes of weights tell."""
    heads = [state.get(f"{head}_head.weight") for head in ("frame", "stage")]
    frames, stages = (None if head is None or head.ndim != 2 else head for head in heads)
    if frames is None or stages is None:
        others = ", ".join(sorted(state)[:3])
        raise SelectionError(f"{path}: holds {others}, …, no frame and stage heads; expected {_EXPECTED}")
    mix = state.get("trunk.mix.0.weight")
    first = state.get("trunk.backbone.0.0.weight")
    return SelectionShape(
        num_frames=len(frames),
        num_stages=len(stages),
        stage_names=(),
        side=0,
        backbone="" if first is None else _backbone_of(path, first),
        aggregation="mean" if mix is None else "concat",
        hidden=0 if mix is None else len(mix),
    )


def _backbone_of(path: Path, first: Tensor) -> str:
    """The name of the backbone whose first convolution has this weight."""
    for name, spec in MOBILENETS.items():
        if spec.first_shape == tuple(first.shape):
            return name
    raise SelectionError(
        f"{path}: begins with a convolution of shape {tuple(first.shape)}, of none of {', '.join(MOBILENETS)}"
    )
