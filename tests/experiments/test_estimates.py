"""What stands before a training: memory against what a step takes, and passes that fit."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ada3d_gym.errors import InputError
from ada3d_gym.experiments.estimates import machine, probing, showing
from ada3d_gym.experiments.estimates.fitting import SPARE, Fit, fit
from ada3d_gym.experiments.estimates.needs import Costs, Need, needs
from ada3d_gym.experiments.estimates.probing import Probe, probe_classifier
from ada3d_gym.experiments.folders import OPTIONS
from ada3d_gym.experiments.paper.phases import Videos
from ada3d_gym.experiments.pipeline import train_run
from ada3d_gym.experiments.runs import Run, compose
from ada3d_gym.finetuning import ClassifierTrainer
from ada3d_gym.networks import classifier as classifiers
from ada3d_gym.networks.classifier import NetworkClassifier
from ada3d_gym.networks.resnet3d import MaskedResNet3d
from ada3d_gym.networks.spec import I3D_R50, I3D_TINY
from ada3d_gym.progress import duration
from benchmarks.memory import peak_megabytes

GB = 1e9
LARGE = Probe(saved=int(0.69 * GB), weights=int(0.11 * GB), train=4.0, forward=1.0)
SELECTION = Probe(saved=int(0.16 * GB), weights=int(0.015 * GB), train=0.1, forward=0.03)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "SECONDS", 0.02)


def run_of(agent: str = "reinforce", **options: int) -> Run:
    """As the documented command for one's own videos has it."""
    environment = {"backbone": "i3d_r50"}
    return compose("Ada3D-Videos-v0", agent, 0, environment=environment, options=options)


def found(run: Run, train: int = 500) -> list[Need]:
    return needs(run, Videos(train, 100, 10), Costs.of(run, (224, 256), LARGE, SELECTION))


def test_updates_stay_over_as_many_clips_whatever_fits():
    run = run_of()
    phases = found(run)
    assert {need.name: need.batch for need in phases if need.batch} == {
        "trunk": 64,
        "classifier on whole clips": 64,
        "stage 1: REINFORCE": 256,
        "stage 2: joint": 64,
    }
    roomy = fit(run, phases, 200 * GB)
    assert roomy == Fit()
    assert roomy.applied(run) == run
    parted = fit(run, phases, 16 * GB)
    assert all(parted.bytes(need) <= SPARE * 16 * GB < roomy.bytes(need) for need in phases if need.batch == 256)
    assert max(map(parted.bytes, phases)) <= SPARE * 16 * GB < max(map(roomy.bytes, phases))
    options = parted.applied(run).options
    assert parted.selection and options["micro_batch"] == parted.selection < 256
    assert (options["batch_size"], options["joint_batch_size"], options["accumulate"]) == (256, 64, 1)
    assert 1 <= (parted.classifier or 64) < 64
    assert (parted.trunk or 64) > (parted.classifier or 64)  # its clips take less


def test_processes_share_a_batch_and_take_the_smallest_passes():
    run = run_of()
    costs = Costs.of(run, (224, 256), LARGE, SELECTION)
    alone, shared = (needs(run, Videos(500, 100, 10), costs, processes) for processes in (1, 8))
    joint = [next(need for need in found if need.name == "stage 2: joint") for found in (alone, shared)]
    assert [need.batch for need in joint] == [64, 8]
    assert joint[1].seconds == pytest.approx(joint[0].seconds / 8, rel=0.01)
    assert Fit(8, None, 4).smallest([Fit(6, 16, None), Fit(None, None, 5)]) == Fit(6, 16, 4)


def test_lower_precision_and_computing_anew_take_less():
    def saved(**options: Any) -> int:
        return probe_classifier(I3D_TINY, 10, 8, 32, "cpu", **options).saved

    whole = saved()
    assert saved(precision="bfloat16") < 0.6 * whole and saved(recompute=True) < 0.7 * whole


def test_a_set_of_few_videos_has_no_larger_batches_than_these():
    run = run_of()
    few, many = (sum(map(fit(run, found(run), 1000 * GB).bytes, found(run, train))) for train in (20, 500))
    assert few < many / 2


def test_passes_of_agents_that_learn_no_network_fit_too():
    run = run_of("random", joint_epochs=2)
    parted = fit(run, found(run), 8 * GB)
    assert parted.selection is None and "micro_batch" not in parted.applied(run).options
    assert max(map(parted.bytes, found(run))) <= SPARE * 8 * GB


def test_the_recipe_from_scratch_counts_as_it_trains():
    run = compose(
        "Ada3D-Videos-v0",
        "reinforce",
        0,
        classifier_recipe="scratch",
        scratch={"epochs_2d": 0, "clips_3d": 10_000, "held_out": 0.2, "minutes": 5.0},
        environment={"backbone": "i3d_r50"},
    )
    phases = {need.name: need for need in found(run, train=1000)}
    assert list(phases)[:2] == ["trunk from scratch", "classifier in 3D"]
    assert not {"trunk", "classifier on whole clips"} & phases.keys()
    assert phases["classifier in 3D"].seconds == 300
    assert phases["trunk from scratch"].seconds == pytest.approx(24_000 * SELECTION.train, rel=0.05)


def test_a_block_says_what_each_phase_takes_and_warns():
    run = run_of()
    phases = found(run)
    parted = fit(run, phases, 1 * GB)
    text = showing.block(phases, parted, 1 * GB, 5 * GB, 4 * GB, "cpu")
    assert "classifier on whole clips" in text and "1 of 64" in text and "1 of 256" in text
    assert "--size" in text and "--backbone" in text and "more disk than is free" in text
    assert "warning" not in showing.block(phases, fit(run, phases, 99 * GB), 99 * GB, 1, 2, "cpu")


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.2, "1 s"), (80, "80 s"), (120, "2 min"), (3 * 3600, "3 h"), (3 * 86_400, "3 days")]
)
def test_durations_are_said_as_people_do(seconds: float, said: str):
    assert duration(seconds) == said


def test_memory_is_that_of_the_tightest_group(tmp_path: Path):
    own, mount = tmp_path / "own", tmp_path / "mount"
    own.write_text("4:cpu:/\n3:memory:/a/b\n0::/a/b\n")
    old, new = mount / "memory/a/b", mount / "a/b"
    for group, names in (
        (old, ("memory.limit_in_bytes", "memory.usage_in_bytes")),
        (new, ("memory.max", "memory.current")),
    ):
        group.mkdir(parents=True)
        (group / names[0]).write_text("5000\n")
        (group / names[1]).write_text("3000\n")
        (group / "memory.stat").write_text("cache 1\ninactive_file 40\ntotal_inactive_file 50\n")
    assert sorted(machine._left_in_groups(mount, own)) == [2040, 2050]
    (new / "memory.max").write_text("max\n")
    (new.parent / "memory.max").write_text("3500\n")  # of the group around it
    (new.parent / "memory.current").write_text("3400\n")
    (new.parent / "memory.stat").write_text("")
    assert sorted(machine._left_in_groups(mount, own)) == [100, 2050]
    assert machine._left_in_groups(mount, tmp_path / "nowhere") == []
    assert machine.free_memory("cpu") > 0 and machine.free_disk(tmp_path / "not/there/yet") > 0


def test_the_peak_of_a_training_step_is_within_a_third_of_the_estimate():
    clips, size = 12, 64
    probe = probe_classifier(I3D_TINY, 10, 8, size, "cpu")
    run = compose("Ada3D-Videos-v0", "reinforce", 0, environment={"backbone": "i3d_tiny"})
    costs = Costs.of(run, (size, size), probe, SELECTION)
    network = MaskedResNet3d(I3D_TINY, 10).train()
    batch = torch.zeros(clips, 8, 3, size, size, dtype=torch.uint8)
    masks = torch.ones(clips, 8, dtype=torch.bool), torch.ones(clips, I3D_TINY.num_stages, dtype=torch.bool)

    def step() -> None:
        network.zero_grad()
        network(batch, *masks).sum().backward()

    step()
    if math.isnan(peak := 1e6 * peak_megabytes(step)):
        pytest.skip("only Linux tells")
    assert 0.7 < clips * costs.step / peak < 1.4
    assert probe.train > probe.forward > 0


def trained(micro_batch: int | None) -> tuple[float, list[torch.Tensor]]:
    torch.manual_seed(0)
    classifier = NetworkClassifier(MaskedResNet3d(I3D_TINY, 4, dropout=0.0), 32)
    classifier.micro_batch = micro_batch
    rng = np.random.default_rng(0)
    clips = rng.integers(0, 255, (7, 4, 3, 32, 32), np.uint8)
    u, v = rng.random((7, 4)) < 0.7, rng.random((7, I3D_TINY.num_stages)) < 0.5
    u[2] = False  # left out
    loss = ClassifierTrainer(classifier, 0.1).step(clips, u, v, np.eye(4, dtype=np.bool_)[[0, 1, 2, 3, 0, 1, 2]])
    return loss, [each.detach().clone() for each in classifier.network.parameters()]


@pytest.mark.parametrize("micro_batch", [1, 4, 100])
def test_passes_add_up_to_an_update(micro_batch: int):
    (loss, weights), (whole, expected) = trained(micro_batch), trained(None)
    assert loss == pytest.approx(whole, abs=1e-5)
    assert all(torch.allclose(*pair, atol=1e-5) for pair in zip(weights, expected, strict=True))


def test_forward_passes_take_less_memory_on_a_cpu_and_answer_the_same(monkeypatch: pytest.MonkeyPatch):
    large = NetworkClassifier(MaskedResNet3d(I3D_R50, 4), 224)
    assert 8 <= large._in_one_pass(8, 224) < 32
    torch.manual_seed(0)
    classifier = NetworkClassifier(MaskedResNet3d(I3D_TINY, 4), 32)
    assert classifier._in_one_pass(8, 64) == 128
    clips = np.random.default_rng(0).integers(0, 255, (5, 4, 3, 32, 32), np.uint8)
    everything = np.ones((5, 4), np.bool_), np.ones((5, I3D_TINY.num_stages), np.bool_)
    whole = classifier.scores(clips, *everything)
    monkeypatch.setattr(classifiers, "FORWARD_BYTES", 1)
    assert classifier._in_one_pass(4, 32) == 1
    assert classifier.scores(clips, *everything) == pytest.approx(whole, abs=1e-5)


@pytest.fixture
def tiny(sets: Path) -> Run:
    environment = {"data_root": str(sets / "videos"), "checkpoint": str(sets / "i3d_tiny.safetensors")}
    environment |= {"backbone": "i3d_tiny", "size": 32, "views": 1}
    return compose(
        "Ada3D-Videos-v0",
        "reinforce",
        0,
        classifier_epochs=1,
        trunk_epochs=0,
        environment=environment,
        options={"epochs": 1, "joint_epochs": 1, "batch_size": 4, "joint_batch_size": 4},
    )


def test_a_run_in_passes_is_the_same_run(
    tiny: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(showing, "fit", lambda *given: Fit(3, 3, 2))
    results = train_run(tiny, tmp_path, "cpu", timed=False)
    assert [result.method for result in results] == ["Upper", "reinforce, stage 1 only", "reinforce"]
    out = capsys.readouterr().out
    assert "estimate" in out and "3 of 64" in out and "2 of 4" in out
    kept = json.loads((tmp_path / OPTIONS).read_text())
    assert kept["options"]["batch_size"] == 4 and kept["options"]["micro_batch"] is None
    assert train_run(tiny, tmp_path, "cpu", timed=False) == results  # on a machine with more memory it goes on


def test_too_little_memory_is_an_error_before_anything_is_done(
    tiny: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(showing, "free_memory", lambda device: 1e6)
    with pytest.raises(InputError, match=r"takes about .* free: give a smaller --size"):
        train_run(tiny, tmp_path, "cpu")
    assert not (tmp_path / "results.jsonl").exists()
