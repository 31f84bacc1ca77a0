"""What a run was begun with, so that other videos or weights in the same places are noticed, and moved ones are not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ada3d_gym.datasets import EMBEDDED_SETS, DataError, find_root, load_index
from ada3d_gym.experiments.configuration import plain
from ada3d_gym.experiments.folders import claimed
from ada3d_gym.experiments.runs import MACHINE, Run
from ada3d_gym.fingerprints import of_file, of_videos

FILES = (
    "environment.checkpoint",
    "environment.features",
    "environment.outcomes",
    "options.weights",
    "options.state",
    "options.agent_options.weights",
    "trunk",
)  # options that name a file


@contextmanager
def claimed_by(run_: Run, folder: Path) -> Iterator[None]:
    """A run's folder, as `claimed` has it: how and from where videos and weights are read may change meanwhile, what
    they hold may not."""
    options = plain(asdict(run_))
    if not run_.also_views:
        del options["also_views"]  # so that folders of before there was any go on
    if run_.classifier_recipe == "finetune":
        del options["classifier_recipe"], options["scratch"]  # likewise
    if run_.classifier_micro_batch is None:
        del options["classifier_micro_batch"]
    if not run_.classifier_recompute:
        del options["classifier_recompute"]
    if run_.precision == "float32":
        del options["precision"]
    if not run_.options.get("regular"):
        options["options"].pop("regular", None)
    with claimed(
        folder,
        options,
        inputs=dict(_inputs(run_)),
        replaces={name: name for name in FILES}
        | {"environment.data_root": "index of train", "transfer": "options.state"},
        harmless=[f"environment.{name}" for name in MACHINE if name != "data_root"],
    ):
        yield


def _inputs(run_: Run) -> Iterator[tuple[str, str]]:
    """Name and fingerprint of each file or list; what is not there is left to those who need it to say so."""
    for name in FILES:
        given = run_.file(name)
        if given and (found := of_file(Path(given))):
            yield name, found[:16]
    dataset, environment = run_.settings["dataset"], run_.environment
    judging = ["val"] * (run_.classifier_recipe == "scratch")  # which says when its training ends
    for split in ("train", "test", *judging):
        if dataset in EMBEDDED_SETS:
            continue
        try:
            root = find_root(dataset, environment.get("data_root"))
            records: Any = load_index(dataset, root, split)
        except DataError:
            continue
        if videos := environment.get("videos"):
            records = records[:videos]
        yield f"index of {split}", f"{len(records)} videos ({of_videos(records, root)[:16]})"
