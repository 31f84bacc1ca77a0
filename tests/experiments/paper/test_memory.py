"""What a reproduction takes of memory, against what autograd keeps and what a training step takes."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from ada3d_gym.experiments.estimates import maps
from ada3d_gym.experiments.paper import memory
from ada3d_gym.experiments.paper.phases import phases
from ada3d_gym.experiments.paper.reproduction import SIZES
from ada3d_gym.experiments.runs import compose
from ada3d_gym.networks.resnet3d import MaskedResNet3d
from ada3d_gym.networks.spec import I3D_R50, I3D_TINY, SLOWONLY_TINY, ResNet3dSpec
from ada3d_gym.precision import autocast
from benchmarks.memory import peak_megabytes


def _everything(spec: ResNet3dSpec, clips: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    masks = torch.ones(clips, 8, dtype=torch.bool), torch.ones(clips, spec.num_stages, dtype=torch.bool)
    return torch.zeros(clips, 8, 3, 32, 32, dtype=torch.uint8), *masks


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("spec", [I3D_TINY, SLOWONLY_TINY], ids=lambda spec: spec.name)
def test_maps_for_the_backward_pass_are_those_that_autograd_keeps(spec: ResNet3dSpec, precision: Any):
    network = MaskedResNet3d(spec, 14).train()
    with autocast(torch.device("cpu"), precision):
        kept = maps.saved_bytes(network, lambda: network(*_everything(spec, 2)))
    if precision != "float32":
        kept -= maps.weight_bytes(network) // 2  # weights in that precision
    assert maps.saved_maps(spec, 32, 8, precision) == pytest.approx(kept / 2, rel=0.05)


@pytest.mark.parametrize(
    ("precision", "recompute"),
    [
        ("float32", False),
        ("bfloat16", True),
        pytest.param("float32", True, marks=pytest.mark.slow),
        pytest.param("bfloat16", False, marks=pytest.mark.slow),
    ],
)
def test_the_peak_of_a_training_step_is_near_the_estimate(precision: Any, recompute: bool):
    network, clips = MaskedResNet3d(I3D_TINY, 14).train(), 96
    network.recompute = recompute

    def step() -> None:
        network.zero_grad()
        with autocast(torch.device("cpu"), precision):
            out = network(*_everything(I3D_TINY, clips))
        out.float().sum().backward()

    step()
    if math.isnan(peak := min(peak_megabytes(step) for _ in range(3))):  # the least is the step's own
        pytest.skip("only Linux tells")
    expected = clips * maps.step_maps(I3D_TINY, 32, 8, precision, recompute) / 1e6
    assert 0.6 * expected < peak < 1.6 * expected


def test_memory_of_a_gpu_grows_with_its_clips():
    run = compose("Ada3D-FCVID-v0", "reinforce", 0)
    of = memory.Setting.of(run, 239)
    found = {phase.name: phase for phase in phases(run, SIZES["fcvid"], 1.0)}
    on_8, on_4 = (memory.gpu_memory(found["stage 2: joint"], of, gpus) for gpus in (8, 4))
    kept = maps.step_maps(I3D_R50, 224, 8)
    assert on_4 - on_8 == 8 * kept
    classifier, trunk = memory.weights(of)
    assert classifier == pytest.approx(4 * 28.0e6, rel=0.02)  # I3D-R50 without non-local blocks has 28.0 M weights
    assert on_8 == memory.CONTEXT + 3 * (classifier + trunk) + classifier + 8 * kept  # folded, too, for answers


def test_passes_and_precision_take_less_of_a_gpu():
    def peak(name: str, **options: Any) -> float:
        agent = {"micro_batch": options.get("classifier_micro_batch")}
        run = compose("Ada3D-FCVID-v0", "reinforce", 0, options=agent, **options)
        found = {phase.name: phase for phase in phases(run, SIZES["fcvid"], 1.0)}
        return memory.gpu_memory(found[name], memory.Setting.of(run, 239), 1) / 1e9

    whole = peak("stage 2: joint")
    assert 60 < whole < 80  # more than most GPUs have
    assert peak("stage 2: joint", precision="bfloat16") < 0.6 * whole
    assert peak("stage 2: joint", classifier_recompute=True) < 0.6 * whole
    assert peak("stage 2: joint", precision="bfloat16", classifier_micro_batch=8) < 16
    learning = peak("stage 1: REINFORCE")
    assert peak("stage 1: REINFORCE", classifier_micro_batch=32) < learning - 25
