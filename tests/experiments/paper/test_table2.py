"""Table 2: what is chosen, and the whole command on a few embedded videos."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ada3d_gym.agents.looking.judging import Judgement
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.paper.table2 import jobs, table2
from ada3d_gym.experiments.paper.table2_jobs import LookingJob, Point
from ada3d_gym.experiments.paper.table2_options import Table2Options
from ada3d_gym.experiments.paper.table2_rows import chosen, rows, uniform_needed
from ada3d_gym.experiments.paper.table2_splits import Part, Splits

from ...agents.looking.synthetic import hidden_class
from ..benchmark.test_ray import Threads, place


def point(rule: str, clips: float, val: float, test: float) -> Point:
    def judged(score: float) -> Judgement:
        return Judgement(map=score, top1=score, clips=clips, macs=100 * clips, counts=())

    return Point(rule, 0.0, 1, judged(val), judged(test))


def test_the_cheapest_that_is_no_worse_on_validation_videos() -> None:
    points = [point("never", 3, 80, 10), point("patience", 2, 70, 20), point("patience", 1, 69, 30)]
    points.append(point("confidence", 1, 75, 40))
    assert chosen(points, ("never", "patience"), 70) is points[1]
    assert chosen(points, ("never", "confidence"), 70) is points[3]
    assert chosen(points, ("never", "patience"), 90) is points[0]  # none is as good


def test_uniform_clips_for_a_map() -> None:
    judged = {number: point("never", number, 0, score).test for number, score in ((1, 40), (2, 60), (4, 50), (5, 80))}
    assert uniform_needed(judged, 30) == 1
    assert uniform_needed(judged, 50) == 1.5
    assert uniform_needed(judged, 70) == 4.5
    assert uniform_needed(judged, 81) is None


def test_rows_stand_beside_the_papers() -> None:
    found = {
        ("Uniform", 2): [[point("never", 2, 69, 60)]],
        ("Uniform", 3): [[point("never", 3, 65, 71)]],
        ("AdaFrame", 3): [[point("never", 3, 70, 72), point("patience", 2, 69, 70.5), point("patience", 1, 68, 72)]],
    }
    vanilla, all_looks, adaframe, early = rows(found, (3, 5))
    assert (vanilla.paper.score, adaframe.paper.score, adaframe.paper.clips_per_video) == (77.8, 78.1, 2.9)  # type: ignore[union-attr]
    assert [row.values(lambda judged: judged.clips) for row in (all_looks, adaframe, early)] == [[3], [2], [3]]


def test_parts_are_numbered_anew() -> None:
    looks = hidden_class(20, 0)
    chosen = np.array([4, 9, 14])
    part = Part(looks, chosen)
    videos, places = np.array([2, 0]), np.array([5, 6])
    np.testing.assert_array_equal(part.at(videos, places).scores, looks.scores[[14, 4], [5, 6]])
    np.testing.assert_array_equal(part.memory(videos), looks.small[[14, 4]])
    np.testing.assert_array_equal(part.labels(videos), looks.classes[[14, 4]])
    assert len(part) == 3 and part.undecodable(videos) == {}


class Ready(Splits):
    """Splits in memory."""

    train, val, test = hidden_class(40, 0), hidden_class(20, 1), hidden_class(20, 2)
    networks = {"classifier": "none", "selection": "none"}  # noqa: RUF012


def quick(folder: Path) -> Table2Options:
    return Table2Options(quick=True, seeds=1, clips=(2, 3), output=folder)


def test_a_run_goes_on_from_its_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ada3d_gym.experiments.paper import table2_jobs

    options = quick(tmp_path)
    whole = LookingJob("AdaFrame", 2, 0, options, Ready(options))
    whole.do()
    options = quick(tmp_path / "other")
    cut = LookingJob("AdaFrame", 2, 0, options, Ready(options))
    monkeypatch.setattr(table2_jobs, "SAVE_EVERY", 0.0)
    trained = table2_jobs.AdaFrameTraining.train_epoch

    def interrupted(self: table2_jobs.AdaFrameTraining) -> dict[str, float]:
        if self.epoch == 1:
            raise KeyboardInterrupt
        return trained(self)

    with monkeypatch.context() as patch:
        patch.setattr(table2_jobs.AdaFrameTraining, "train_epoch", interrupted)
        with pytest.raises(KeyboardInterrupt):
            cut.do()
    assert cut.read() is None and cut.path.with_suffix(".pt").exists()
    cut.do()
    assert cut.read() == whole.read()


def test_results_of_other_options_are_refused(tmp_path: Path) -> None:
    options = quick(tmp_path)
    job = LookingJob("Uniform", 2, 0, options, Ready(options))
    assert job.read() is None
    job.do()
    assert job.read() is not None
    with pytest.raises(InputError, match="of a run with other options or networks"):
        replace(job, options=replace(options, places=4)).read()
    job.path.write_text("{")
    with pytest.raises(InputError, match="delete it to run that part again"):
        job.read()


def test_jobs() -> None:
    options = replace(quick(Path()), seeds=2)
    made = jobs(options, Ready(options))
    assert len({job.path for job in made}) == len(made) == 21 + 2 + 1 + 2 * 5 * 2


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"id": "Ada3D-MotionShapes-v1"}, "no environment of clip selection"),
        ({"seeds": 0}, "seeds=0: expected at least 1"),
        ({"ray_cpus": 0}, "ray_cpus=0: expected at least 1"),
        ({"clips": (0,)}, r"clips=\[0\]: expected numbers of at least 1"),
    ],
)
def test_wrong_options_are_named(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        replace(Table2Options(), **wrong).check()  # type: ignore[arg-type]


def test_other_processes_open_the_looks_anew_and_once() -> None:
    ready = Splits(quick(Path()))
    ready.__dict__["train"] = hidden_class(4, 0)
    first, second = (pickle.loads(pickle.dumps(ready)) for _ in range(2))
    assert first is second and first.options == ready.options and "train" not in vars(first)


def test_the_whole_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from ada3d_gym.experiments.paper import table2 as command

    monkeypatch.setattr(command, "Splits", Ready)
    options = replace(quick(tmp_path), json=tmp_path / "rows.json")
    table2(options)
    printed = capsys.readouterr().out
    assert (options.folder / "table2.png").stat().st_size > 10_000
    found = json.loads((tmp_path / "rows.json").read_text())
    assert len(found) == 2 * 12
    assert all(row["name"] in printed for row in found)
    (options.folder / "ppo" / "clips2" / "seed0.json").unlink()
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "1")
    deaths = iter([True])
    place(monkeypatch, Threads(dies=lambda run: next(deaths, False)))
    table2(replace(options, ray="local"))
    assert json.loads((tmp_path / "rows.json").read_text()) == found
    assert "seed0.json: its Ray worker has died" in capsys.readouterr().err
