"""`config.json` of a model folder: all that turns its weights into answers. Read by the library alone.

A finished run's folder is a model folder, and so is what `ada3d export` writes. The file holds names and numbers only;
whoever wrote it, nothing in it is run, and it names no file outside of its folder.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

from ada3d_gym import __version__
from ada3d_gym.errors import InputError
from ada3d_gym.files import replacing
from ada3d_gym.networks.spec import SPECS, NetworkSpec
from ada3d_gym.prediction.backbones import spec_of
from ada3d_gym.video.sampling import ClipSampler, Sampling

FORMAT = 1
CONFIG = "config.json"  # in a model folder
CLASSIFIER = "classifier.safetensors"
SELECTION = "selection.safetensors"
_RUN = "options.json"  # in a folder that `ada3d train` has begun
# What no folder of this package holds, and what would fill the memory of whoever opens one.
_MOST_BYTES, _MOST_NUMBER = 2**26, 2**13
_MOST_PIXELS = 2**24  # of one clip: 64 frames of 512 pixels
MOST_VIEWS = 1000  # of one video

PolicyKind = Literal["selection", "constant", "agent"]


class ConfigError(InputError):
    """A model folder that cannot be used; the message names the file, what is wrong and what to do."""


@dataclass(frozen=True)
class ClipConfig:
    """How clips are cut out of a video: as those that the run was judged on.

    Attributes:
        num_frames: T.
        stride: distance between neighbouring frames of a clip, in video frames.
        views: clips of each video, evenly spread.
        size: side of the square that the classifier sees, in pixels.
        short_side: that a frame's short side is scaled to before the square is cut out of its middle.
        sampling: see `ada3d_gym.video.sampling.ClipSampler`.
        observation_size: side of the square that the policy sees.
        scaled_by: "decoder" where frames larger than `short_side` are scaled while they are decoded, as those of
            indexed data sets are, or "resize" where whole frames are decoded first, as those of the embedded sets are.
    """

    num_frames: int
    stride: int
    views: int
    size: int
    short_side: int
    sampling: Sampling
    observation_size: int
    scaled_by: Literal["decoder", "resize"] = "decoder"

    def sampler(self, views: int | None = None) -> ClipSampler:
        """What cuts such clips, or another number of them from each video."""
        sides = (self.short_side, self.short_side)
        return ClipSampler(self.num_frames, self.stride, views or self.views, self.size, sides, sampling=self.sampling)


@dataclass(frozen=True)
class PolicyConfig:
    """What chooses masks.

    Attributes:
        kind: "selection", a selection network in a file; "constant", one mask for all clips; "agent", another agent of
            the run's, which `ada3d predict` makes from the run's folder.
        file: of the selection network, in the same folder.
        frames, stages: the mask's T and K bits, each 0 or 1.
        agent: its name.
    """

    kind: PolicyKind
    file: str = ""
    frames: tuple[int, ...] = ()
    stages: tuple[int, ...] = ()
    agent: str = ""


@dataclass(frozen=True)
class ModelConfig:
    """What a model folder holds.

    Attributes:
        class_names: C names, in the order of the classifier's scores.
        backbone: the 3D network; saved by its name in `SPECS` where it is one of those, else as a whole table. Or the
            name of a function that makes one of somebody's own, "module:factory".
        stage_names: of its K stages that a policy switches.
        pixels: "mean" and "std", three numbers each, of pixels in [0, 1]; the classifier's weights hold them, too.
        clips: see `ClipConfig`.
        policy: see `PolicyConfig`.
        macs: multiply-accumulates of one clip: "upper", of the classifier with everything kept, and "selection", of the
            policy's own network.
        figures: by method, what it reached on the test videos: "top1" and "map" in percent, mean "macs" of the
            classifier and "macs_selection" of a clip, mean "frames" and "stages", "milliseconds" where measured.
        classifier: file of its weights, in the same folder.
        package: what wrote the folder.
    """

    class_names: tuple[str, ...]
    backbone: NetworkSpec | str
    stage_names: tuple[str, ...]
    pixels: dict[str, tuple[float, float, float]]
    clips: ClipConfig
    policy: PolicyConfig
    macs: dict[str, int]
    figures: dict[str, dict[str, float | None]] = field(default_factory=dict)
    classifier: str = CLASSIFIER
    package: str = f"ada3d-gym {__version__}"

    @property
    def network(self) -> str:
        """The 3D network's name."""
        return self.backbone if isinstance(self.backbone, str) else self.backbone.name

    def save(self, folder: Path) -> None:
        """Writes `config.json`, whole or not at all.

        Raises:
            OutputError: where it cannot be written.
        """
        table = asdict(self)
        if self.backbone in (self.network, SPECS.get(self.network)):
            table["backbone"] = self.network
        own = {"selection": ("file",), "constant": ("frames", "stages"), "agent": ("agent",)}[self.policy.kind]
        table["policy"] = {key: table["policy"][key] for key in ("kind", *own)}
        with replacing(folder / CONFIG, "choose another folder") as part:
            part.write_text(json.dumps({"format": FORMAT, **table}, indent=1, allow_nan=False) + "\n", "utf-8")

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> ModelConfig:
        """Reads what `save` wrote.

        Raises:
            ConfigError: for a folder that holds no such file, one that a run has not finished, another version's, and
                one that says what makes no sense.
        """
        path = Path(folder) / CONFIG
        try:
            return cls._parsed(_read(path))
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            if isinstance(error, ConfigError):
                raise
            problem = f"lacks {error}" if isinstance(error, KeyError) else str(error)
            raise ConfigError(f"{path}: {problem}; copy the folder again, or write it anew") from error

    @classmethod
    def _parsed(cls, table: Mapping[str, Any]) -> ModelConfig:
        clips, policy = _clips(_table(table, "clips")), _policy(_table(table, "policy"))
        names, stages = _names(table, "class_names"), _names(table, "stage_names")
        spec = table["backbone"]
        backbone: NetworkSpec | str
        if not isinstance(spec, str):
            backbone = spec_of(_table(table, "backbone"), _MOST_NUMBER)
        elif (backbone := SPECS.get(spec, spec)) == spec and ":" not in spec:
            raise ValueError(f"names the 3D network {spec!r}, and this version knows {', '.join(SPECS)}")
        if not isinstance(backbone, str) and backbone.num_stages != len(stages):
            raise ValueError(f"names {len(stages)} stages, and {backbone.name} has {backbone.num_stages}")
        if policy.kind == "constant" and (len(policy.frames), len(policy.stages)) != (clips.num_frames, len(stages)):
            raise ValueError(f"policy: expected {clips.num_frames} frame bits and {len(stages)} stage bits")
        pixels = {key: _channels(_table(table, "pixels"), key) for key in ("mean", "std")}
        macs = {key: _integer(_table(table, "macs"), key) for key in ("upper", "selection")}
        found = _table(table, "figures")
        figures = {key: dict(_table(found, key)) for key in found}
        return cls(
            names,
            backbone,
            stages,
            pixels,
            clips,
            policy,
            macs,
            figures,
            _file(table, "classifier"),
            _text(table, "package"),
        )


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ConfigError(f"{path}: too long for a model's configuration")
        table = json.loads(path.read_text("utf-8"))
    except OSError as error:
        folder = path.parent
        if not folder.is_dir():
            raise ConfigError(f"{folder}: no such folder; expected a finished run's, or an exported one") from None
        if (inner := folder / "model" / CONFIG).exists():
            raise ConfigError(f"{folder} holds more than a model: give {inner.parent}") from None
        if (folder / _RUN).exists():
            raise ConfigError(
                f"{folder} holds a run that is not finished, or was trained by an earlier version: start its "
                "'ada3d train' command again, which goes on where it was and writes what is missing"
            ) from None
        raise ConfigError(
            f"{path} cannot be read ({error.strerror}): expected the folder of a finished run of 'ada3d train', or one "
            "that 'ada3d export' wrote"
        ) from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: no JSON ({error}); copy the folder again") from error
    version = table.get("format") if isinstance(table, dict) else None
    if version is None:
        raise ConfigError(f"{path}: not the configuration of a model of this package")
    if version != FORMAT:
        raise ConfigError(
            f"{path}: format {version!r}, written by {table.get('package', 'another version')}; this version "
            f"(ada3d-gym {__version__}) reads format {FORMAT}: use that one, or write the folder anew with this one"
        )
    return dict(table)


def _table(of: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    if not isinstance(value := of[key], dict):
        raise ValueError(f"{key}: expected names and values")
    return value


def _text(of: Mapping[str, Any], key: str) -> str:
    if not isinstance(value := of[key], str):
        raise ValueError(f"{key}={value!r}: expected text")
    return value


def _names(of: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = of[key]
    if not isinstance(value, list) or not value or not all(isinstance(each, str) for each in value):
        raise ValueError(f"{key}: expected a list of names")
    return tuple(value)


def _integer(of: Mapping[str, Any], key: str, least: int = 0, most: int = 2**62) -> int:
    value = of[key]
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ValueError(f"{key}={value!r}: expected a whole number from {least} to {most}")
    return value


def _choice(of: Mapping[str, Any], key: str, known: Sequence[str]) -> Any:
    if (value := of[key]) not in known:
        raise ValueError(f"{key}={value!r}: expected one of {', '.join(known)}")
    return value


def _channels(of: Mapping[str, Any], key: str) -> tuple[float, float, float]:
    value = of[key]
    if not isinstance(value, list) or [type(each) in (int, float) for each in value] != [True] * 3:
        raise ValueError(f"{key}: expected three numbers")
    one, two, three = map(float, value)
    return one, two, three


def _file(of: Mapping[str, Any], key: str) -> str:
    """A file's name without any folder."""
    name = _text(of, key)
    if not name or name in (".", "..") or set(name) & set("/\\:\0") or len(name) > 100:
        raise ValueError(f"{key}={name!r}: expected the name of a file in the same folder")
    return name


def _clips(table: Mapping[str, Any]) -> ClipConfig:
    numbers = {
        each.name: _integer(table, each.name, 1, _MOST_NUMBER)
        for each in fields(ClipConfig)
        if each.name not in ("sampling", "scaled_by")
    }
    most = math.isqrt(_MOST_PIXELS // numbers["num_frames"])
    for key in ("size", "short_side", "observation_size"):
        _integer(table, key, 1, most)
    _integer(table, "views", 1, MOST_VIEWS)
    known = get_args(Sampling)
    return ClipConfig(
        **numbers,
        sampling=_choice(table, "sampling", known),
        scaled_by=_choice(table, "scaled_by", ("decoder", "resize")),
    )


def _policy(table: Mapping[str, Any]) -> PolicyConfig:
    kind: PolicyKind = _choice(table, "kind", get_args(PolicyKind))
    if kind == "selection":
        return PolicyConfig(kind, file=_file(table, "file"))
    if kind == "agent":
        return PolicyConfig(kind, agent=_text(table, "agent"))
    frames, stages = table["frames"], table["stages"]
    bits = all(isinstance(each, list) and all(bit in (0, 1) for bit in each) for each in (frames, stages))
    if not bits or not any(frames):
        raise ValueError("policy: expected frame and stage bits, each 0 or 1, and a frame that is kept")
    return PolicyConfig(kind, frames=tuple(frames), stages=tuple(stages))
