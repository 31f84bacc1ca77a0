"""What a trained run says of new videos, what it looked at, and what that saved:

    ada3d predict runs/Ada3D-Videos-v0-reinforce-seed0 new.mp4
    ada3d predict RUN folder/ "more/*.avi" --top 3 --json answers.json --sheet sheet.png --gif playing.gif
    ada3d predict RUN new.mp4 --upper      # beside the whole network: agreement, operations and time saved

RUN is the folder of a finished run, or what `ada3d export` wrote. It holds all that is needed, and may have been moved
here from elsewhere. A file that cannot be read is named, the others go on, and the exit code is 1.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from ada3d_gym.devices import checked_device
from ada3d_gym.envs.rendering import stack_sheets
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.cli import run
from ada3d_gym.experiments.ending import INTERRUPTED
from ada3d_gym.experiments.folders import check_output
from ada3d_gym.experiments.judging import Trial
from ada3d_gym.experiments.predictions import summary, table, write_csv, write_json
from ada3d_gym.experiments.profiles import measured, profile_table
from ada3d_gym.experiments.reading_runs import read_run
from ada3d_gym.files import replacing
from ada3d_gym.observers import FeatureObserver, IndexObserver
from ada3d_gym.precision import Precision
from ada3d_gym.prediction.config import CLASSIFIER, ModelConfig
from ada3d_gym.prediction.inputs import find_videos
from ada3d_gym.prediction.pictures import playing
from ada3d_gym.prediction.pictures import sheet as drawn_sheet
from ada3d_gym.prediction.policies import MaskPolicy
from ada3d_gym.prediction.predictor import Predictor
from ada3d_gym.prediction.results import Prediction
from ada3d_gym.profiling import phase
from ada3d_gym.progress import counted
from ada3d_gym.video.indexing.list_text import has_extension

MOST_SHEETS, MOST_PLAYED = 50, 20  # videos in one picture
SHOWN_MS = 250  # of a frame that plays


def predict(
    folder: tyro.conf.Positional[Path],
    videos: tyro.conf.Positional[tuple[str, ...]],
    top: int = 5,
    views: int | None = None,
    json: Path | None = None,
    csv: Path | None = None,
    sheet: Path | None = None,
    gif: Path | None = None,
    upper: bool = False,
    device: str = "cpu",
    workers: int | None = None,
    precision: Precision = "float32",
    data_root: Path | None = None,
    trust: bool = False,
    profile: bool = False,
) -> None:
    """Predicts.

    Args:
        folder: of a finished run, or an exported one.
        videos: files, folders (all videos below them) and globs.
        top: answers of each video.
        views: clips of each video, evenly spread; as many as the run was judged on by default.
        json: file that gets everything: all answers, and of each clip the kept frames, their seconds, stages,
            operations and milliseconds.
        csv: file that gets a row a video.
        sheet: picture that gets the middle clip of each video, dropped frames black; of the first 50 videos.
        gif: moving picture that gets these clips, dropped frames grey; of the first 20 videos.
        upper: run the whole network beside it.
        device: where networks run.
        workers: threads that decode; the cores of this machine over the processes on it by default.
        precision: in which they compute: float32, bfloat16 or float16.
        data_root: of the run's data set, where its agent is one that cannot be made without it (dqn, sac, …).
        trust: import modules that the run's folder names, of its agent or network, and read weights elsewhere that it
            names.
        profile: measure where the time goes, and print it; --json gets it, too.
    """
    checked_device(device)
    if not videos:
        raise InputError("no video is given: expected files, folders or globs after the run's folder")
    for path, option in ((json, "--json"), (csv, "--csv"), (sheet, "--sheet"), (gif, "--gif")):
        if path is not None:
            _check_name(path, option)
            check_output(path, option)
    found: list[Prediction] = []
    sheets: list[NDArray[np.uint8]] = []
    played: list[Image.Image] = []
    asked = find_videos(list(videos))
    pixels = bool(sheet or gif)
    interrupted = False
    with measured(device, profile) as recorded:
        policy = _policy(folder, device, precision, data_root, trust)
        how: Any = {"device": device, "precision": precision, "workers": workers, "trust": trust}
        predictor = Predictor.from_pretrained(folder, policy=policy, **how)
        stages = predictor.classifier.stage_names
        stream = predictor.stream(asked, top_k=top, views=views, upper=upper, pixels=pixels, isolated=True)
        shown = counted(stream, len(asked), "predicting", "video", quiet=len(asked) < 2)
        try:
            with phase("predicted"):
                for prediction in shown:
                    if prediction.error:
                        tqdm.write(f"error: {prediction.video}: {prediction.error}", file=sys.stderr)
                    if prediction.clips and sheet and len(sheets) < MOST_SHEETS:
                        sheets.append(drawn_sheet(prediction, stages))
                    if prediction.clips and gif and len(played) < MOST_PLAYED * predictor.sampler.num_frames:
                        played += playing(prediction, stages)
                    found.append(prediction.without_pixels())
        except KeyboardInterrupt:
            interrupted = True  # what there is is printed and written
        phases = recorded.as_dict() if recorded else None
    if any(each.clips for each in found):
        print(table(found, predictor.sampler.num_frames, len(stages)))
        print("\n" + summary(found))
    if phases is not None:
        print(f"\n{profile_table(phases)}")
    if json is not None and found:
        write_json(json, found, phases)
    if csv is not None and found:
        write_csv(csv, found)
    if sheets and sheet is not None:
        with replacing(sheet, "choose another --sheet") as part:
            Image.fromarray(stack_sheets(sheets)).save(part, "png")
    if played and gif is not None:
        with replacing(gif, "choose another --gif") as part:
            played[0].save(part, "gif", save_all=True, append_images=played[1:], duration=SHOWN_MS, loop=0)
    if interrupted:
        print(f"interrupted: {len(found)} of {len(asked)} videos are answered", file=sys.stderr)
        sys.exit(INTERRUPTED)
    if any(each.error for each in found):
        sys.exit(1)


def _check_name(path: Path, option: str) -> None:
    """That a file to write is not one of the videos by mistake, and a picture's name says what it will be."""
    if has_extension(path.name):
        raise InputError(f"{option} {path}: the name of a video; expected that of a file to write, before the videos")
    suffix = {"--sheet": ".png", "--gif": ".gif"}.get(option, path.suffix)
    if path.suffix.lower() != suffix.lower():
        raise InputError(f"{option} {path}: expected a name that ends in {suffix}")


def _policy(folder: Path, device: str, precision: Precision, data_root: Path | None, trust: bool) -> MaskPolicy | None:
    """A run's agent, where no file holds what it does; else None."""
    config = ModelConfig.load(folder)
    if config.policy.kind != "agent":
        return None
    run_ = read_run(folder, trust=trust)
    given = {} if data_root is None else {"data_root": data_root}
    trial = Trial.prepare(run_, "test", device, checkpoint=folder / CLASSIFIER, precision=precision, **given)
    agent: Any = trial.trained_agent(folder, device)
    observer = trial.bandit.observer
    if isinstance(observer, IndexObserver):
        raise InputError(f"{folder}: its agent {run_.agent} is shown numbers of clips, and new videos have none")
    return _OnFeatures(agent, observer) if isinstance(observer, FeatureObserver) else agent


class _OnFeatures:
    """An agent that is shown features of frames, with what computes them."""

    def __init__(self, agent: Any, observer: FeatureObserver):
        self._agent, self._observer, self.macs = agent, observer, agent.macs

    def act(self, observations: NDArray[np.uint8]) -> NDArray[Any]:
        masks: NDArray[Any] = self._agent.act(self._observer.of_pixels(observations))
        return masks


if __name__ == "__main__":
    run(predict)
