"""Writes a finished run as a model folder to carry, with its networks as graphs for other runtimes:

    ada3d export runs/Ada3D-MotionShapes-v1-reinforce-seed0 models/motionshapes
    ada3d export RUN OUT --graphs onnx torch --stages all
    ada3d export RUN OUT --graphs none --beside runs/fixed-ft

The folder holds the weights (safetensors), `config.json`, a model card with the run's figures (README.md), and below
graphs/ the selection network and the classifier under each stage mask that the policy uses. Each graph is held to the
live network before the folder appears, whole or not at all. `ada3d_gym.prediction.Predictor.from_pretrained(OUT)` reads
it; docs/exporting.md shows a program of onnxruntime and NumPy alone that does too.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Literal

import tyro
from tabulate import tabulate

from ada3d_gym.errors import InputError
from ada3d_gym.experiments.cli import run as run_command
from ada3d_gym.experiments.exported_graphs import GraphFile, StageMask, stage_masks, write_graphs
from ada3d_gym.experiments.judging import load_masks
from ada3d_gym.experiments.model_card import model_card
from ada3d_gym.experiments.model_folder import figures_of
from ada3d_gym.experiments.reading_runs import read_run
from ada3d_gym.experiments.results import Result, ResultFile
from ada3d_gym.files import OutputError, replacing, writing
from ada3d_gym.networks.checkpoints.weights import save_weights
from ada3d_gym.networks.graph_files import Format, check_format
from ada3d_gym.networks.selection_file import load_selection
from ada3d_gym.prediction.config import CONFIG, ModelConfig
from ada3d_gym.prediction.loading import load_classifier
from ada3d_gym.progress import counted

MANIFEST = "export.json"  # of an exported folder: its files and graphs
CARD = "README.md"


def export(
    run: tyro.conf.Positional[Path],
    out: tyro.conf.Positional[Path],
    graphs: tuple[Literal["onnx", "torch", "none"], ...] = ("onnx",),
    stages: Literal["used", "all"] = "used",
    beside: tuple[Path, ...] = (),
) -> None:
    """Writes the folder.

    Args:
        run: folder of a finished run of `ada3d train`.
        out: folder to write; an earlier export there is replaced, anything else is left alone.
        graphs: formats of the graphs: onnx (which takes the extra `export`), torch (.pt2, of torch.export), or none.
        stages: the stage masks that get a graph of the classifier: used, the most used ones, which together cover 99 %
            of the test clips, and the one with every stage on; or all that there are.
        beside: folders of other runs, judged on the same clips, whose figures are to stand in the card, such as the
            best constant mask (fixed-ft); for the model of `ada3d start`, its rivals by default.
    """
    formats: list[Format] = [each for each in dict.fromkeys(graphs) if each != "none"]
    if "none" in graphs and formats:
        raise InputError("--graphs none stands for no graphs: give it alone")
    for format in formats:
        check_format(format)
    config, settings = ModelConfig.load(run), read_run(run, trust=True)  # nothing that it names is read
    if config.policy.kind == "agent":
        raise InputError(
            f"{run}: its masks are those of the agent {config.policy.agent!r}, which only its own code can make; "
            "expected a run whose policy is a selection network (as reinforce's) or one mask (as fixed-ft's)"
        )
    if isinstance(config.backbone, str):
        raise InputError(
            f"{run}: its 3D network is {config.backbone}, which only its own code can make; expected one of this "
            "package. ada3d_gym.networks.graphs writes graphs of converted networks, see docs/exporting.md"
        )
    own = ResultFile(run / "results.jsonl").results
    if settings.agent not in own:
        raise InputError(
            f"{run / 'results.jsonl'} holds no result of {settings.agent}: copy the run's folder again, whole"
        )
    results = own | _rivals(beside or _of_start(run), own[settings.agent])
    config = replace(config, figures={name: figures_of(result) for name, result in results.items()})
    masks = stage_masks(config, *load_masks(run, settings.agent), every=stages == "all")
    with replacing_export(out) as part:
        written = _write(config, run, part, formats, masks)
        with writing(out):
            card = model_card(out.resolve().name, config, settings, results, masks, written)
            (part / CARD).write_text(card, "utf-8")
        _write_manifest(part, config, written)
    _print(out, written)


def _of_start(run: Path) -> tuple[Path, ...]:
    """The rivals beside the model of `ada3d start`, as far as they are finished: one of each agent."""
    rivals = run.resolve().parent / "rivals"
    folders = (rivals / name for name in ("best-fixed", "fixed-ft-operations"))
    return tuple(folder for folder in folders if (folder / CONFIG).exists())


def _rivals(folders: Sequence[Path], own: Result) -> dict[str, Result]:
    """What other runs reached on the same clips, by their agents' names.

    Raises:
        InputError: for other clips.
    """
    found = {}
    for folder in folders:
        name = read_run(folder, trust=True).agent
        result = ResultFile(folder / "results.jsonl").results.get(name)
        if result is None:
            raise InputError(f"--beside {folder}: the run is not finished; start its 'ada3d train' command again")
        for key in ("videos_sha256", "views", "num_frames", "sampling", "stride", "size"):
            if result.judged.get(key) != own.judged.get(key):
                raise InputError(
                    f"--beside {folder}: judged on other clips ({key} {result.judged.get(key)} there, "
                    f"{own.judged.get(key)} here), so its figures cannot stand beside"
                )
        if name == own.method:
            name = f"{name}, another run"
        found[name] = result
    return found


def _write(
    config: ModelConfig, run: Path, part: Path, formats: Sequence[Format], masks: Sequence[StageMask]
) -> list[GraphFile]:
    """Weights, `config.json` and graphs."""
    classifier = load_classifier(config, run).network
    about = {
        "package": config.package,
        "backbone": config.network,
        "class_names": json.dumps(config.class_names),
        "stage_names": json.dumps(config.stage_names),
    }
    save_weights(classifier, part / config.classifier, about)
    selection = None
    if config.policy.kind == "selection":
        with writing(part):
            shutil.copyfile(run / config.policy.file, part / config.policy.file)
        selection = load_selection(part / config.policy.file)
    config.save(part)
    graphs = write_graphs(config, classifier, selection, masks, formats, part, about)
    count = len(formats) * (len(masks) + (selection is not None))
    return list(counted(graphs, count, "writing graphs", "graph", quiet=not count))


def _write_manifest(part: Path, config: ModelConfig, written: Sequence[GraphFile]) -> None:
    files = sorted(str(path.relative_to(part).as_posix()) for path in part.rglob("*") if path.is_file())
    table = {"package": config.package, "files": [*files, MANIFEST], "graphs": [asdict(each) for each in written]}
    with replacing(part / MANIFEST) as file:
        file.write_text(json.dumps(table, indent=1) + "\n", "utf-8")


@contextmanager
def replacing_export(out: Path) -> Iterator[Path]:
    """Yields an empty folder beside `out` that takes its place in the end; if the block raises, nothing has changed.

    Raises:
        OutputError: where `out` holds anything that no export wrote, or cannot be written.
    """
    target = out.resolve()
    _check_free(out, target)
    part = target.with_name(f"{target.name}.{secrets.token_hex(4)}.part")
    remedy = "choose another OUT"
    with writing(out, remedy):
        part.mkdir(parents=True)
    try:
        yield part
        with writing(out, remedy):
            old = part.with_suffix(".old")
            if target.exists():
                _check_free(out, target)
                target.rename(old)
            part.rename(target)
            shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _check_free(out: Path, target: Path) -> None:
    if target.exists() and not target.is_dir():
        raise OutputError(f"{out} is no folder: choose another OUT")
    found = [str(path.relative_to(target).as_posix()) for path in _files_in(target)]
    if not found:
        return
    try:
        listed = set(json.loads((target / MANIFEST).read_text("utf-8"))["files"])
    except (OSError, ValueError, KeyError, TypeError):
        raise OutputError(f"{out} holds files, and no earlier export: choose another OUT") from None
    if strange := sorted(set(found) - listed):
        raise OutputError(f"{out} holds {strange[0]}, which no export wrote: move it away, or choose another OUT")


def _files_in(folder: Path) -> Iterator[Path]:
    for place, _, names in os.walk(folder):
        yield from (Path(place) / name for name in names)


def _print(out: Path, written: Sequence[GraphFile]) -> None:
    if written:
        rows = [
            [each.file, each.stages, f"{100 * each.share:.1f} %" if each.stages else "", f"{each.difference:.1e}"]
            for each in written
        ]
        print(tabulate(rows, ["graph", "stages", "of test clips", "off the network"], disable_numparse=True))
        print()
    size = sum(path.stat().st_size for path in _files_in(out)) / 2**20
    print(f"{out}: {size:.1f} MiB; Predictor.from_pretrained({str(out)!r}) reads it, {CARD} tells about it")


if __name__ == "__main__":
    run_command(export)
