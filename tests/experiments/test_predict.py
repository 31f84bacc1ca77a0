"""The command that says what a trained run makes of new videos."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ada3d_gym.embedded import motionshapes_clips
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.ending import INTERRUPTED
from ada3d_gym.experiments.judging import load_masks
from ada3d_gym.experiments.predict import predict
from ada3d_gym.experiments.results import ResultFile
from ada3d_gym.experiments.train import train
from ada3d_gym.prediction import ModelConfig, Prediction, Predictor
from ada3d_gym.prediction.pictures import sheet

MOTION = "Ada3D-MotionShapes-v1"
Printed = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def videos(cache_folder: Path) -> tuple[str, ...]:
    clips = motionshapes_clips("test", videos=14)
    return tuple(str(record.path) for record in clips.records)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, cache_folder: Path) -> Path:
    place = tmp_path_factory.mktemp("runs") / "uniform"
    train(MOTION, "uniform", videos=14, set=("frames=3", "stages=[4]"), output=place)
    return place


def test_answers_are_printed_and_written(folder: Path, videos: tuple[str, ...], tmp_path: Path, capsys: Printed):
    files: dict[str, Any] = {kind: tmp_path / f"answers.{kind}" for kind in ("json", "csv")}
    files |= {"sheet": tmp_path / "sheet.png", "gif": tmp_path / "playing.gif"}
    predict(folder, videos[:3], top=2, views=2, upper=True, **files)
    printed = capsys.readouterr().out
    found = Predictor.from_run(folder)(videos[:3], top_k=2, views=2)
    for path, each in zip(videos, found, strict=False):
        row = next(line for line in printed.splitlines() if line.startswith(path))
        assert each.answers[0]["label"] in row
        assert f"{each.answers[0]['score']:.1%}" in row
        assert "3.0 of 8" in row and "1.0 of 5" in row and f"{each.saved:.0%}" in row
    assert "6 clips; operations saved against the whole network: 75%" in printed
    assert "of 3 videos" in printed and "of the time saved" in printed

    written = json.loads(files["json"].read_text())["videos"]
    assert [each["video"] for each in written] == list(videos[:3])
    assert [answer["label"] for answer in written[0]["answers"]] == [each["label"] for each in found[0].answers]
    clip = written[1]["clips"][1]
    assert clip["frames"] == list(found[1].clips[1].kept_frames)
    assert clip["seconds"] == pytest.approx(np.array(clip["frames"]) / 25, abs=1e-3)
    assert (clip["stages"], clip["macs"]) == (["res5"], found[1].clips[1].macs)
    assert clip["milliseconds"].keys() == {"decoding", "selection", "classifier"}
    assert clip["milliseconds_whole"] > 0
    rows = list(csv.DictReader(files["csv"].open()))
    assert [(row["video"], row["label 1"]) for row in rows] == [
        (each.video, each.answers[0]["label"]) for each in found
    ]

    with Image.open(files["sheet"]) as sheet, Image.open(files["gif"]) as playing:
        assert sheet.height % 3 == 0
        assert playing.n_frames >= 3 * 3  # equal frames may have become one
        colours = []
        for number in range(8):
            playing.seek(number)
            colours.append(np.ptp(np.asarray(playing.convert("RGB"))[20:280, 30:290].astype(int), axis=2).max())
        assert [colour > 8 for colour in colours] == list(found[0].clips[1].frame_mask)


def test_a_bad_file_is_named_and_the_exit_code_is_one(
    folder: Path, videos: tuple[str, ...], tmp_path: Path, capsys: Printed
):
    bad = tmp_path / "bad.mp4"
    bad.write_text("no video\n")
    with pytest.raises(SystemExit) as ended:
        predict(folder, (str(bad), videos[0], str(tmp_path / "*.avi")), csv=tmp_path / "answers.csv")
    assert ended.value.code == 1
    out, err = capsys.readouterr()
    assert f"error: {bad}: cannot be read as a video" in err
    assert f"error: {tmp_path}/*.avi: matches no file" in err
    assert videos[0] in out
    assert [row["error"] != "" for row in csv.DictReader((tmp_path / "answers.csv").open())] == [True, False, True]
    with pytest.raises(SystemExit):
        predict(folder, (str(bad),))
    assert capsys.readouterr().out == ""


def test_what_cannot_be_done_is_said_before_anything_is(folder: Path, videos: tuple[str, ...], tmp_path: Path):
    with pytest.raises(InputError, match="no video is given: expected files, folders or globs"):
        predict(folder, ())
    with pytest.raises(InputError, match="none: no such folder"):
        predict(tmp_path / "none", videos)
    with pytest.raises(InputError, match="unknown device 'abacus'"):
        predict(folder, videos, device="abacus")
    for option, name in (("sheet", "sheet.jpg"), ("gif", "playing.png"), ("gif", "playing")):
        with pytest.raises(InputError, match=rf"--{option} .*{name}: expected a name that ends in \.(png|gif)"):
            predict(folder, videos, **{option: tmp_path / name})


@pytest.mark.parametrize("option", ["json", "csv", "sheet", "gif"])
def test_a_video_is_never_written_over(option: str, folder: Path, videos: tuple[str, ...], tmp_path: Path):
    video = Path(shutil.copy(videos[0], tmp_path / "Mine.MP4"))
    before = video.read_bytes()
    with pytest.raises(InputError, match=rf"--{option} .*Mine\.MP4: the name of a video"):
        predict(folder, videos, **{option: video})  # the option's own value was forgotten
    assert video.read_bytes() == before


@pytest.mark.parametrize(("agent", "own"), [("dqn", ("epochs=1",)), ("fixed", ("mask=0101000010011",))])
def test_an_agent_that_no_file_holds_is_made_from_its_run(
    agent: str, own: tuple[str, ...], videos: tuple[str, ...], tmp_path: Path
):
    train(MOTION, agent, videos=14, set=own, output=tmp_path / "run")
    shutil.move(tmp_path / "run", tmp_path / "moved")
    config = ModelConfig.load(tmp_path / "moved")
    assert config.policy.kind == {"dqn": "agent", "fixed": "constant"}[agent]
    predict(tmp_path / "moved", videos, json=tmp_path / "answers.json")
    clips = [clip for each in json.loads((tmp_path / "answers.json").read_text())["videos"] for clip in each["clips"]]
    u, v = load_masks(tmp_path / "moved", agent)
    assert [len(clip["frames"]) for clip in clips] == u.sum(1).tolist()
    assert [len(clip["stages"]) for clip in clips] == v.sum(1).tolist()
    line = ResultFile(tmp_path / "moved" / "results.jsonl").results[agent]
    assert clips[0]["macs_selection"] / 1e9 == pytest.approx(line.gmacs_selection, abs=1e-6)


def test_names_of_classes_cannot_spoil_the_table(
    folder: Path, videos: tuple[str, ...], tmp_path: Path, capsys: Printed
):
    strange = Path(shutil.copytree(folder, tmp_path / "strange"))
    config = json.loads((strange / "config.json").read_text())
    config["class_names"] = ["\x1b[2J\nno row"] * len(config["class_names"])
    (strange / "config.json").write_text(json.dumps(config))
    predict(strange, videos[:1], top=1, views=1)
    row = next(line for line in capsys.readouterr().out.splitlines() if line.startswith(videos[0]))
    assert r"\x1b[2J\nno row" in row


def test_interrupted_it_writes_what_there_is(
    folder: Path,
    videos: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    drawn = []

    def interrupted(prediction: Prediction, stages: tuple[str, ...]) -> np.ndarray:
        drawn.append(prediction)
        if len(drawn) == 3:
            raise KeyboardInterrupt
        return sheet(prediction, stages)

    monkeypatch.setattr("ada3d_gym.experiments.predict.drawn_sheet", interrupted)
    with pytest.raises(SystemExit, match=str(INTERRUPTED)):
        predict(folder, videos[:5], views=1, json=tmp_path / "answers.json", sheet=tmp_path / "sheet.png")
    assert "interrupted: 2 of 5 videos are answered" in capsys.readouterr().err
    written = json.loads((tmp_path / "answers.json").read_text())["videos"]
    assert [each["video"] for each in written] == list(videos[:2])
    assert (tmp_path / "sheet.png").exists()
