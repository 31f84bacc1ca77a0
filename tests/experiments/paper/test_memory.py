"""What a reproduction takes of memory, against what autograd keeps and what a training step takes."""

from __future__ import annotations

import math

import pytest
import torch

from ada3d_gym.experiments.estimates import maps
from ada3d_gym.experiments.paper import memory
from ada3d_gym.experiments.paper.phases import phases
from ada3d_gym.experiments.paper.reproduction import SIZES
from ada3d_gym.experiments.runs import compose
from ada3d_gym.networks.resnet3d import MaskedResNet3d
from ada3d_gym.networks.spec import I3D_R50, I3D_TINY, SLOWONLY_TINY, ResNet3dSpec
from benchmarks.memory import peak_megabytes


def _everything(spec: ResNet3dSpec, clips: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    masks = torch.ones(clips, 8, dtype=torch.bool), torch.ones(clips, spec.num_stages, dtype=torch.bool)
    return torch.zeros(clips, 8, 3, 32, 32, dtype=torch.uint8), *masks


@pytest.mark.parametrize("spec", [I3D_TINY, SLOWONLY_TINY], ids=lambda spec: spec.name)
def test_maps_for_the_backward_pass_are_those_that_autograd_keeps(spec: ResNet3dSpec):
    network = MaskedResNet3d(spec, 14).train()
    kept = maps.saved_bytes(network, lambda: network(*_everything(spec, 2)))
    assert maps.saved_maps(spec, 32, 8) == pytest.approx(kept / 2, rel=0.01)


def test_the_peak_of_a_training_step_is_near_the_estimate():
    network, clips = MaskedResNet3d(I3D_TINY, 14).train(), 96

    def step() -> None:
        network.zero_grad()
        network(*_everything(I3D_TINY, clips)).sum().backward()

    step()
    if math.isnan(peak := peak_megabytes(step)):
        pytest.skip("only Linux tells")
    expected = clips * (maps.saved_maps(I3D_TINY, 32, 8) + 2 * 8 * maps.largest_map(I3D_TINY, 32)) / 1e6
    assert 0.6 * expected < peak < 1.4 * expected


def test_memory_of_a_gpu_grows_with_its_clips():
    run = compose("Ada3D-FCVID-v0", "reinforce", 0)
    of = memory.Setting.of(run, 239)
    found = {phase.name: phase for phase in phases(run, SIZES["fcvid"], 1.0)}
    on_8, on_4 = (memory.gpu_memory(found["stage 2: joint"], of, gpus) for gpus in (8, 4))
    kept = maps.saved_maps(I3D_R50, 224, 8) + 2 * 8 * maps.largest_map(I3D_R50, 224)
    assert on_4 - on_8 == 8 * kept
    classifier, trunk = memory.weights(of)
    assert classifier == pytest.approx(4 * 28.0e6, rel=0.02)  # I3D-R50 without non-local blocks has 28.0 M weights
    assert on_8 == memory.CONTEXT + 3 * (classifier + trunk) + 8 * kept
