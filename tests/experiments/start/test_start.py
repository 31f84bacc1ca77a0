"""One whole start on a tiny folder: what it leaves, what it says, and that it goes on after an interruption."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from filelock import FileLock

from ada3d_gym.agents.search import read_best
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.own import runs
from ada3d_gym.experiments.reading_runs import read_run
from ada3d_gym.experiments.results import ResultFile
from ada3d_gym.experiments.runs import compose
from ada3d_gym.experiments.start import start
from ada3d_gym.files import OutputError

Printed = pytest.CaptureFixture[str]
QUICK: dict[str, Any] = {"minutes": 0.1, "size": 32, "views": 1, "set": ("epochs=1", "joint_epochs=1")}
QUICK |= {"scratch": ("epochs_2d=1", "epochs_3d=2", "trunk_clips=1")}


@pytest.fixture
def started(drawn: Path, session_folder: Path, capsys: Printed) -> tuple[Path, str]:
    """The folder of a start that was interrupted once, and what it printed in the end."""
    folder = session_folder / "started"
    printed = folder.with_name("started.txt")
    with FileLock(f"{folder}.lock"):
        if not printed.exists():
            with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
                patch.setattr(runs, "carry_out", _interrupt)
                start(drawn, output=folder, **QUICK)
            classifier = folder / "policies" / "begin" / "classifier.safetensors"
            trained = classifier.stat().st_mtime_ns
            capsys.readouterr()
            start(drawn, output=folder, **QUICK)
            assert (
                folder / "policies" / "begin" / "classifier.safetensors"
            ).stat().st_mtime_ns == trained  # it went on
            printed.write_text(capsys.readouterr().out)
    return folder, printed.read_text()


def _interrupt(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


def test_what_is_said_at_the_end(started: tuple[Path, str]):
    folder, printed = started
    end = printed[printed.index("report: ") :].splitlines()
    assert end[0] == f"report: {folder / 'report.html'}"
    number = r"\d+\.\d % \(\d+ to \d+\)"
    assert re.fullmatch(f"test videos right, everything kept: {number}", end[1])
    assert re.fullmatch(f"test videos right, Ada3D: {number}", end[2])
    assert re.fullmatch(r"saved by Ada3D, selection network counted: -?\d+ % of the operations, .* time", end[3])
    assert end[4] == f"predict: ada3d predict {folder / 'model'} VIDEO"
    assert "warning: The test set has 3 videos." in printed


def test_all_methods_are_judged_with_every_cost(started: tuple[Path, str]):
    results = ResultFile(started[0] / "results.jsonl").results
    assert list(results) == [
        "Upper",
        "Fixed",
        "Fixed FT (same operations)",
        "Fixed FT (same accuracy)",
        "Ada3D, stage 1 only",
        "Ada3D",
    ]
    assert results["Ada3D"].gmacs_selection > 0
    assert results["Fixed FT (same operations)"].gmacs_total <= results["Ada3D"].gmacs_total
    assert all(result.milliseconds for result in results.values())


def test_the_report_is_one_file_that_asks_for_nothing(started: tuple[Path, str]):
    page = (started[0] / "report.html").read_text()
    assert len(re.findall(r'src="data:image/(?:png|svg\+xml);base64,', page)) == page.count("<img ") >= 2
    assert not re.search(r'(?:src|href)="(?!data:)|<script|@import|url\(', page)
    for name in ("a texture", "circles", "moving", "Upper", "Fixed FT (same operations)", "What to do next"):
        assert name in page
    assert f"ada3d predict {started[0] / 'model'} VIDEO" in page
    assert "± " in page


def test_the_command_by_hand_makes_the_same_run(started: tuple[Path, str]):
    folder, printed = started
    command = next(line for line in printed.splitlines() if line.startswith("by hand: "))
    _, _, _, train, env, *options = command.split()
    given = dict(zip(options[::2], options[1::2], strict=True))
    assert train == "train"
    assert given["--output"] == str(folder / "by-hand")
    environment = {"data_root": str(Path(given["--data-root"]).absolute())}
    by_hand = compose(env, "reinforce", 0, config=Path(given["--config"]), environment=environment)
    ours = read_run(folder / "policies" / "begin")
    assert (by_hand.scratch, by_hand.gamma, by_hand.seed) == (ours.scratch, ours.gamma, ours.seed)
    assert by_hand.environment.items() <= ours.environment.items()
    settings = yaml.safe_load((folder / "settings.yaml").read_text())
    assert settings["agents"]["reinforce"]["epochs"] == 1
    assert settings["environment"]["size"] == 32


def test_policies_begin_from_the_best_constant(started: tuple[Path, str]):
    folder, _ = started
    best = read_best(folder / "rivals" / "best-fixed").mask
    assert read_run(folder / "policies" / "gamma-6").options["begin"] == best
    assert f"--set begin={best}" in (folder / "report.html").read_text()


def test_the_model_is_one_of_the_policies(started: tuple[Path, str]):
    folder, _ = started
    tried = ResultFile(folder / "policies" / "validation.jsonl").results
    assert list(tried)[:2] == ["Upper", "gamma 6"]
    kept = (folder / "model" / "agent.pt").read_bytes()
    assert kept in [path.read_bytes() for path in (folder / "policies").glob("*/agent.pt")]
    assert read_run(folder / "model").gamma in (6, 18)


def test_finished_it_says_the_same_again(started: tuple[Path, str], drawn: Path, capsys: Printed):
    folder, printed = started
    lines = (folder / "results.jsonl").read_text()
    start(drawn, output=folder, **QUICK)
    assert (folder / "results.jsonl").read_text() == lines
    again = capsys.readouterr().out
    assert again[again.index("report: ") :] == printed[printed.index("report: ") :]


def test_other_options_need_another_folder(started: tuple[Path, str], drawn: Path):
    with pytest.raises(InputError, match=r"holds another run \(minutes: 0\.1 there, 9 now\): choose another --output"):
        start(drawn, output=started[0], **QUICK | {"minutes": 9})


def test_a_dry_run_says_what_would_be_done(videos: Path, tmp_path: Path, capsys: Printed):
    place = tmp_path / "out"
    start(videos, output=place, minutes=5, dry_run=True, gamma=9.0)
    said = capsys.readouterr().out
    assert re.search(r"^gamma +9\.0 +as you said$", said, re.MULTILINE)
    assert re.search(r"^stride +\d+ +8 frames 0\.\d+ s apart span most of the median video", said, re.MULTILINE)
    assert " in all: decoding " in said
    assert f"by hand: ada3d train Ada3D-Videos-v0 --config {place / 'settings.yaml'}" in said
    assert not (place / "model").exists()
    assert (place / "lists" / "test.csv").read_text().startswith("# written by ada3d start\n")
    assert sorted(path.name for path in videos.iterdir()) == ["a texture", "circles", "moving"]  # only read
    kept = json.loads((place / "proposal.json").read_text())
    start(videos, output=place, minutes=5, dry_run=True, gamma=9.0)
    assert json.loads((place / "proposal.json").read_text()) == kept  # nothing is timed anew


def test_what_an_interrupted_start_has_computed_is_not_spoilt(videos: Path, tmp_path: Path, capsys: Printed):
    place = tmp_path / "my out"
    options: dict[str, Any] = {"output": place, "minutes": 5, "dry_run": True, "size": 32}
    start(videos, **options)
    command = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("by hand: "))
    words = shlex.split(command)
    assert words[words.index("--output") + 1] == str(place / "by-hand")
    (place / "policies" / "gamma-6").mkdir(parents=True)
    (place / "policies" / "gamma-6" / "classifier-in-3d.pt").touch()  # of an epoch
    kept = {path: path.read_bytes() for path in place.rglob("*") if path.is_file() and path.name != "run.lock"}
    with pytest.raises(InputError, match=r"holds another run \(minutes: 5 there, 9 now\): choose another --output"):
        start(videos, **options | {"minutes": 9})
    video = next(videos.rglob("*.mp4"))
    moved = video.rename(video.with_name("moved.mp4"))
    with pytest.raises(InputError, match=rf"other videos \(1 new, as {moved}; 1 gone, as {video}\): put back what"):
        start(videos, **options)
    moved.rename(video)
    for path, content in kept.items():
        if path.suffix != ".jsonl":  # the journal of the survey
            assert path.read_bytes() == content
    start(videos, **options)
    assert (place / "proposal.json").read_bytes() == kept[place / "proposal.json"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"minutes": -1}, "minutes=-1: expected a number above 0"),
        ({"minutes": 1e308}, "minutes=.*: expected a number above 0, and at most 100000"),
        ({"seed": -1}, "seed=-1: expected a whole number of at least 0"),
        ({"gamma": float("nan")}, "gamma=nan is not a penalty"),
        ({"backbone": "i3d"}, "unknown backbone 'i3d': expected one of i3d_r50"),
        ({"split": (70, 30, 0)}, "share of test: 0, expected a number above 0"),
        ({"set": ("epoch=3",)}, "unknown option of reinforce: epoch; expected some of .*; did you mean epochs"),
        ({"size": 4000}, "size=4000: expected"),
        ({"workers": 0}, "workers=0: expected at least 1"),
    ],
    ids=lambda value: "=".join(map(str, *value.items())) if isinstance(value, dict) else "",
)
def test_options_that_make_no_sense(options: dict[str, Any], told: str, drawn: Path, tmp_path: Path):
    with pytest.raises(InputError, match=told):
        start(drawn, output=tmp_path / "out", **options)


def test_somewhere_that_cannot_be_written(drawn: Path, tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"cannot be written .*choose another --output"):
        start(drawn, output=tmp_path / "file" / "out")


def test_a_class_with_one_video_is_named(a_video: Callable[[str], Path], tmp_path: Path):
    for path in ("set/run/a.mp4", "set/run/b.mp4", "set/run/c.mp4", "set/walk/d.mp4"):
        a_video(path)
    with pytest.raises(InputError, match="'walk' has 1: expected at least 3 usable videos of each class"):
        start(tmp_path / "set", output=tmp_path / "out")
    assert not (tmp_path / "out" / "model").exists()
