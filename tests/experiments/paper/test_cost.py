"""What a reproduction costs in hours, cores and disk, against numbers computed by hand."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ada3d_gym.errors import InputError
from ada3d_gym.experiments.paper.bill import figures, sentence
from ada3d_gym.experiments.paper.cost import cost
from ada3d_gym.experiments.paper.decoding import Clips, Decoding, Feeding
from ada3d_gym.experiments.paper.phases import Phase, Videos, phases
from ada3d_gym.experiments.paper.rates import (
    Machine,
    Time,
    bottleneck,
    cores_needed,
    idle,
    measured_decoding,
    time_of,
)
from ada3d_gym.experiments.paper.reproduction import SIZES, Job, Reproduction, reported
from ada3d_gym.experiments.paper.ways import Entry, ways
from ada3d_gym.experiments.runs import compose

MOTION = "Ada3D-MotionShapes-v1"
MACHINE = Machine(gpus=8, gmacs=1000.0, cores=16, decoding=Decoding.even(25.0), together=True)


def test_time_is_operations_over_gpus_beside_clips_over_cores():
    phase = Phase("some", clips=4000, pulls=0, forward=6e15, backward=2e15, batch=64)
    time = time_of(phase, 8, MACHINE)
    assert (time.gpu, time.core) == (8000, 160)
    assert (time.compute, time.decode) == (1000, 10)
    assert time_of(phase, 16, MACHINE).decode == 20
    alone = time_of(replace(phase, alone=True), 8, MACHINE)
    assert (alone.compute, alone.decode) == (8000, 80)
    assert time_of(replace(phase, alone=True), 8, replace(MACHINE, together=False)).compute == 1000
    assert phase.times(3).macs == 24e15
    assert phase.times(3).clips == 12000


def test_test_clips_have_a_rate_of_their_own_and_cores_take_from_each_other():
    decoding = Decoding(training=Clips(25.0, efficiency=0.5), test=Clips(50.0, efficiency=0.5))
    machine = replace(MACHINE, decoding=decoding)
    trained = Phase("some", clips=4000, pulls=0, forward=6e15, backward=2e15, batch=64)
    assert time_of(trained, 8, machine).decode == 20
    assert time_of(replace(trained, tested=True), 8, machine).decode == 10
    assert [phase.tested for phase in phases(compose(MOTION, "uniform", 0), Videos(14, 14, 14), 1.0)] == [True, True]


def test_times_add_up_where_the_same_cores_decode_and_compute():
    machine = Machine(gpus=2, gmacs=10.0, cores=2, decoding=Decoding.even(20.0), shared=True)
    phase = Phase("some", clips=400, pulls=0, forward=3e11, backward=1e11, batch=64)
    time = time_of(phase, 8, machine)
    assert (time.gpu, time.core, time.wall) == (40, 20, 30)
    alone = time_of(phase, 8, replace(machine, gpus=1))  # one thread computes, two decode
    assert (alone.compute, alone.wall) == (40, 40)


def test_the_slower_of_computing_and_decoding_counts():
    slow, fast = Time(0, 16 * 30, 10, 30), Time(0, 16 * 2, 10, 2)
    assert (slow.wall, fast.wall) == (30, 10)
    assert idle([slow, fast]) == pytest.approx(0.5)
    assert (bottleneck([slow, fast]), bottleneck([fast])) == ("decoding", "GPUs")
    # with c cores the slow phase takes 480 / c seconds and the fast one 10: busy 20 / (10 + 480 / c) of the time
    assert cores_needed([slow, fast], MACHINE) == math.ceil(480 / (20 / 0.95 - 10))
    told = sentence([slow, fast], MACHINE)
    assert (
        told == "decoding needs 44 cores to keep 8 GPUs busy 95% of the time; with 16 cores GPUs idle 50% of the time"
    )
    assert cores_needed([Time(0, 0, 10, 0)], MACHINE) == 1


def test_runs_that_tables_share_count_once():
    plan = Reproduction("activitynet", Videos(1000, 100, 200))
    assert reported("activitynet") == ("1", "5", "6", "F3")
    tables = {name: list(plan.jobs(name)) for name in ("5", "6")}
    report = figures(tables, plan.videos, 10**9, MACHINE, seeds=1)
    both = {job.name: sum(phase.macs for phase in job.phases) for jobs in tables.values() for job in jobs}
    total = report["total"]["forward"] + report["total"]["backward"]
    assert total == pytest.approx(sum(both.values()))
    assert total < sum(row["forward"] + row["backward"] for row in report["tables"])
    assert sum(row["clips"] for row in report["phases"]) == report["total"]["clips"]
    twice = figures(tables, plan.videos, 10**9, MACHINE, seeds=2)
    shared = {
        job.name: sum(phase.clips for phase in job.phases) for jobs in tables.values() for job in jobs if job.shared
    }
    assert twice["total"]["clips"] == 2 * report["total"]["clips"] - sum(shared.values())
    assert twice["disk"]["videos"] == report["disk"]["videos"]


def test_ways_to_read_videos_stand_beside_each_other():
    """Of two runs judged on the same test clips, where those are kept, the first decodes them."""
    videos = Videos(1000, 100, 200)
    formats = {"files": Decoding(Clips(20.0, 1e6), Clips(20.0, 1e6)), "decord": Decoding.even(10.0)}
    formats["decord"] = replace(formats["decord"], training=Clips(10.0, 4e6), test=Clips(10.0, 4e6))
    job = Job("one", compose("Ada3D-FCVID-v0", "reinforce", 0), [])
    judged = Phase("judging, 10 clips", 1000, 1000, 8e12, 0, 128, tested=True)
    entries = [Entry.of(job, phase, 2, MACHINE) for phase in [judged.times(2), Phase("training", 500, 0, 8e12, 0, 64)]]
    fed = Feeding(formats, Clips(math.inf), "")
    files, kept, decord = ways(entries, replace(MACHINE, together=False), fed, videos)
    assert files["core_hours"] * 3600 == pytest.approx(2500 / 20)
    assert files["read"] == 2500 * 1e6
    assert kept["core_hours"] * 3600 == pytest.approx(1500 / 20)
    assert kept["read"] == 1500 * 1e6 + 1000 * 8 * 3 * 256**2
    assert decord["core_hours"] == 2 * files["core_hours"]
    # 8 GPUs compute for 2 s and 1 s; 16 cores decode 2,000 clips in 6.25 s
    assert files["hours"] * 3600 == pytest.approx(6.25 + 500 / 20 / 16)
    assert files["mb_per_second"] == pytest.approx(16 * 20)
    assert files["cores_needed"] > 16
    assert files["hours_then"] * 3600 == pytest.approx(3, rel=0.06)


def test_learned_masks_leave_what_the_papers_did():
    assert Reproduction("fcvid", SIZES["fcvid"]).share("i3d", 8) == pytest.approx(35.6 / 58.6)
    assert Reproduction("fcvid", SIZES["fcvid"]).share("slowonly", 16) == pytest.approx(61.8 / 109.1)
    assert Reproduction("kinetics", SIZES["kinetics"]).share("i3d", 8) == pytest.approx(43.7 / 58.6)
    assert Reproduction("activitynet", SIZES["activitynet"]).share("slowonly", 8) == pytest.approx(
        42.1 / 54.5
    )  # FCVID's


@pytest.mark.parametrize(
    ("dataset", "table"), [("motionshapes", "1"), ("kinetics", "3"), ("fcvid", "4"), ("mini-kinetics-adafocus", "F3")]
)
def test_a_table_can_be_asked_of_any_set(dataset: str, table: str):
    jobs = list(Reproduction(dataset, replace(SIZES[dataset], train=100, test=10)).jobs(table))
    assert len({job.name for job in jobs}) == len(jobs)
    assert all(phase.macs > 0 for job in jobs for phase in job.phases)


GIVEN: dict[str, Any] = {"gpu_gmacs_per_second": 6000.0, "decode_clips_per_second": 30.0}


def test_the_command_prints_phases_tables_and_what_waits(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    cost("Ada3D-FCVID-v0", tables=("5",), cores=64, **GIVEN, json=tmp_path / "cost.json")
    printed = capsys.readouterr().out
    assert "45,611 to train on and 45,612 to test (published numbers" in printed
    assert "| stage 2: joint" in printed
    assert "| all, shared runs once" in printed
    assert "to keep 8 GPUs busy 95% of the time; with 64 cores GPUs idle" in printed
    written = json.loads((tmp_path / "cost.json").read_text())
    assert written["machine"] == asdict(Machine(8, 6000.0, 64, Decoding.even(30.0)))
    assert written["total"]["clips"] == sum(row["clips"] for row in written["phases"])


def test_an_index_says_how_many_videos_there_are(sets: Path, capsys: pytest.CaptureFixture[str]):
    cost("Ada3D-FCVID-v0", tables=("5",), data_root=sets / "fcvid", **GIVEN)
    assert "videos: 8 to train on and 8 to test (the index of" in capsys.readouterr().out
    cost("Ada3D-FCVID-v0", tables=("5",), data_root=sets / "fcvid", videos=100, **GIVEN)
    assert "videos: 100 to train on and 8 to test (as given" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"gpus": 0}, "gpus=0: expected more than 0"),
        ({"decode_clips_per_second": math.inf}, "decode_clips_per_second=inf: expected more than 0"),
        ({"share": 1.5}, "share=1.5: expected at most 1"),
        ({"tables": ("2",)}, r"table 2: expected some of 1, 3, 4, 5, 6, F3"),
        ({"gpu": "a100"}, "gpu=a100 would be ignored"),
        ({"feeding": Path("feeding.json")}, "decode_clips_per_second would be ignored beside feeding"),
        ({"cpu": True, "device": "cuda"}, "cpu: there are no GPUs"),
    ],
)
def test_what_makes_no_sense_is_told(given: dict[str, Any], told: str):
    with pytest.raises(InputError, match=told):
        cost("Ada3D-FCVID-v0", **{**GIVEN, **given})


def test_without_gpus_the_cores_that_decode_compute(capsys: pytest.CaptureFixture[str]):
    cost("Ada3D-FCVID-v0", tables=("5",), cpu=True, cores=64, **GIVEN)
    printed = capsys.readouterr().out
    assert "- 64 cores decode and compute\n" in printed
    assert "64 cores decode and compute; they are all that there is to wait for" in printed.lower()


def test_an_assumed_gpu_is_called_an_assumption(capsys: pytest.CaptureFixture[str]):
    cost("Ada3D-ActivityNet-v0", tables=("5",), gpu="a100", decode_clips_per_second=30.0)
    assert "6,000 GMACs/s each GPU: an assumption for a100" in capsys.readouterr().out


def test_the_rate_of_this_cpu_is_not_taken_for_that_of_a_gpu(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("ada3d_gym.experiments.paper.cost.measured_gmacs", lambda device: 50.0)
    decoding = {"tables": ("5",), "decode_clips_per_second": 30.0}
    cost("Ada3D-FCVID-v0", **decoding, json=tmp_path / "cost.json")
    second = capsys.readouterr().out.splitlines()[1]
    assert second.startswith("NO GPU WAS MEASURED: each GPU below is as fast as the CPU of this machine.")
    assert "--gpu a100" in second
    assert json.loads((tmp_path / "cost.json").read_text())["assumed"][0] == second
    for given in ({"cpu": True}, {"gpu": "a100"}, {"gpu_gmacs_per_second": 6000.0}):
        cost("Ada3D-FCVID-v0", **decoding, **given)
        assert "NO GPU" not in capsys.readouterr().out


def test_decoding_is_measured_on_real_videos():
    rate = measured_decoding(width=96, height=64, seconds=3, clips=2)
    assert np.isfinite(rate)
    assert rate > 0
