"""What comes with the package, for MotionShapes: weights and outcome tables.

`ada3d pretrain --weights ada3d_gym/weights` makes the weights for MotionShapes, and for its untrimmed videos, in turn:

    ada3d pretrain-untrimmed --weights ada3d_gym/weights
    ada3d train Ada3D-MotionShapes-v1 --config experiments/configs/motionshapes-untrimmed.yaml --output runs/untrimmed

The second leaves the selection network in `runs/untrimmed/selection.safetensors`.
"""

from __future__ import annotations

from pathlib import Path

from ada3d_gym.errors import InputError
from ada3d_gym.networks.checkpoints.weights import SHIPPED
from ada3d_gym.networks.spec import SPECS
from ada3d_gym.outcomes.table import check_bits
from ada3d_gym.registration import ENVIRONMENTS
from ada3d_gym.video.motionshapes.files import UNTRIMMED

CLASSIFIER = SHIPPED / "i3d_tiny-motionshapes.safetensors"
"""I3D, for clips of 8 and of 16 frames. Its centre taps are SlowOnly, which is I3D with the first three stages off."""

SELECTION = SHIPPED / "selection-motionshapes.safetensors"
"""The trunk of the selection network ("mobilenet_v2_tiny"), for clips of 8 frames."""

UNTRIMMED_CLASSIFIER = SHIPPED / "i3d_tiny-motionshapes-untrimmed.safetensors"
"""The same I3D, trained on with clips of untrimmed videos, most of which do not show their class."""

UNTRIMMED_SELECTION = SHIPPED / "ada3d-motionshapes-untrimmed.safetensors"
"""A whole selection network, trunk and heads, for clips of 8 frames of untrimmed videos and that classifier."""

STARTS = {"i3d_tiny": CLASSIFIER, "i3d_small": SHIPPED / "i3d_small-primitives.safetensors"}
"""What a training of a network on other videos begins from, by its name; its head is left out."""

CLASSIFIER_BACKBONES = ("i3d_tiny", "slowonly_tiny")

TABLES = Path(__file__).parent / "tables"


def shipped_classifier(dataset: str) -> Path:
    """The weights for an embedded data set; those of MotionShapes for any other with its classes."""
    return UNTRIMMED_CLASSIFIER if dataset == UNTRIMMED.name else CLASSIFIER


def shipped_start(backbone: str) -> Path | None:
    """The weights that a training of a network on other videos begins from, where some ship."""
    path = STARTS.get(backbone)
    return path if path is not None and path.is_file() else None


def shipped_table(dataset: str, backbone: str, num_frames: int, split: str) -> Path:
    """The outcome table of a data set's clips, asked of this network's shipped weights.

    Raises:
        InputError: where none ships, saying which do and how one is made.
    """
    path = TABLES / f"{dataset}-{backbone}-{num_frames}-{split}.safetensors"
    if not path.is_file():
        if backbone in SPECS:
            check_bits(num_frames, SPECS[backbone].num_stages)
        # NAME.safetensors is a table, NAME.PART.safetensors a part of one
        there = sorted(each.stem for each in TABLES.glob("*.safetensors") if "." not in each.stem)
        wanted = {"dataset": dataset, "num_frames": num_frames, "backbone": backbone}
        env_id = next((name for name, options in ENVIRONMENTS.items() if options == wanted), "ID")
        raise InputError(
            f"no outcome table ships for {path.stem} (dataset, backbone, frames, split): "
            f"{'there are ' + ', '.join(there) if there else 'none do'}. Make one with "
            f"'ada3d tabulate {env_id} --split {split} --output FILE' and give outcomes=FILE"
        )
    return path
