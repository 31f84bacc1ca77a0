"""All masks of a clip at once, with what they share computed once: the same answers as one mask after the other."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch
from torch import nn

from ada3d_gym.errors import InputError
from ada3d_gym.masks import all_masks, mask_numbers, split_mask
from ada3d_gym.networks.classifier import NetworkClassifier
from ada3d_gym.networks.conversion.convert import convert
from ada3d_gym.networks.masked import MaskedNetwork
from ada3d_gym.networks.resnet3d import MaskedResNet3d
from ada3d_gym.networks.spec import I3D_TINY, SLOWONLY_TINY, ResNet3dSpec
from ada3d_gym.outcomes.cells import answering
from ada3d_gym.outcomes.contexts import Contexts
from ada3d_gym.seeding import torch_seed

DEEPER = ResNet3dSpec("deeper", 8, (5, 7), True, (2, 2, 1, 2), (4, 8, 8, 8), ((3, 3), (3, 1), (5,), (1, 3)))
TWO_DIMENSIONAL = ResNet3dSpec("flat", 8, (1, 3), False, (1, 1, 1, 1), (4, 4, 4, 4), ((1,), (1,), (1,), (1,)))
SPECS = {spec.name: spec for spec in (I3D_TINY, SLOWONLY_TINY, DEEPER, TWO_DIMENSIONAL)}


def filled(spec: ResNet3dSpec) -> MaskedResNet3d:
    """Random weights, and batch norms that matter."""
    with torch_seed(np.random.SeedSequence(1)):
        network = MaskedResNet3d(spec, 7)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                for values in (module.weight, module.running_var):
                    nn.init.uniform_(values, 0.5, 1.5)
                for values in (module.bias, module.running_mean):
                    nn.init.normal_(values, std=0.3)
        nn.init.normal_(network.head.weight, std=1.0)
    return network.eval()


def clips_of(count: int, num_frames: int, size: int = 32) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, num_frames, 3, size, size), np.uint8)


@pytest.mark.parametrize("num_frames", [1, 2, 4, pytest.param(5, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", SPECS)
def test_the_same_answers_as_one_mask_after_the_other(name: str, num_frames: int):
    classifier = NetworkClassifier(filled(SPECS[name]), 32, dtype=torch.float64)
    clips = clips_of(2, num_frames)
    shared = answering(classifier, num_frames)(clips)
    alone = answering(classifier, num_frames, shared=False)(clips)
    assert shared.shape == (2, 2 ** (num_frames + len(classifier.stage_names)), 7)
    np.testing.assert_allclose(shared, alone, atol=2e-6)
    assert alone[:, -1].std() > 0.05  # there is something to tell apart


def test_masks_are_in_the_order_of_their_numbers():
    classifier = NetworkClassifier(filled(SLOWONLY_TINY), 32)
    clips = clips_of(1, 3)
    rng = np.random.default_rng(1)
    u, v = rng.random((20, 3)) < 0.6, rng.random((20, 2)) < 0.5
    scores = classifier.scores(np.repeat(clips, 20, 0), u, v)
    np.testing.assert_allclose(answering(classifier, 3)(clips)[0, mask_numbers(u, v)], scores, atol=2e-6)
    masks = all_masks(3, 2)
    assert mask_numbers(*split_mask(masks, 3, 2)).tolist() == list(range(32))
    assert mask_numbers(np.array([True, False, False]), np.array([False, True])) == 17


def test_a_mask_without_frames_scores_nothing():
    shared = answering(NetworkClassifier(filled(I3D_TINY), 32), 2)(clips_of(1, 2))[0]
    assert not shared[:32].any()
    np.testing.assert_allclose(shared[32:].sum(1), 1, atol=1e-5)


def test_the_network_as_it_is_now_in_another_precision():
    network = filled(I3D_TINY)
    exact = answering(NetworkClassifier(network, 32), 3)(clips_of(1, 3))
    half = answering(NetworkClassifier(network, 32, dtype=torch.bfloat16), 3)(clips_of(1, 3))
    assert 0 < abs(exact - half).max() < 0.1
    nn.init.zeros_(network.head.weight)
    assert np.ptp(answering(NetworkClassifier(network, 32), 3)(clips_of(1, 3))[:, 32:]) < 1e-6


class Converted(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv3d(3, 4, 3, padding=1), nn.ReLU())
        self.second = nn.Sequential(nn.Conv3d(4, 6, (3, 1, 1), padding=(1, 0, 0)), nn.ReLU())
        self.fc = nn.Linear(6, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.second(self.first(x)).mean((2, 3, 4)))


def test_a_converted_network_gets_one_mask_after_the_other():
    with torch_seed(np.random.SeedSequence(0)):
        network: MaskedNetwork = convert(Converted(), size=16)
    classifier = NetworkClassifier(network, 16, batch_size=7)
    clips = clips_of(2, 3, 16)
    found = answering(classifier, 3)(clips)
    u, v = split_mask(all_masks(3, 2), 3, 2)
    for row, clip in zip(found, clips, strict=True):
        np.testing.assert_allclose(row, classifier.scores(np.repeat(clip[None], 32, 0), u, v), atol=1e-6)


def test_more_masks_than_a_table_holds_are_refused_with_a_way_out():
    with pytest.raises(InputError, match=r"2,097,152 masks .* at most 65,536 .* among the 512 masks of spread"):
        answering(NetworkClassifier(filled(I3D_TINY), 32), 16)


@pytest.mark.parametrize("radius", [0, 1, 2, 3])
def test_frames_have_one_number_exactly_where_they_have_one_context(radius: int):
    contexts = Contexts(4)
    seen: dict[tuple[int, ...], int] = {}
    for number, mask in enumerate(all_masks(4, 0)):
        kept = np.flatnonzero(mask).tolist()
        for rank, frame in enumerate(kept):
            near = (frame, *kept[max(0, rank - radius) : rank + radius + 1])
            found = int(contexts.number[radius, number, frame])
            assert seen.setdefault(near, found) == found
    assert sorted(seen.values()) == list(range(contexts.counts[radius]))


def test_eight_frames_have_few_contexts():
    assert Contexts(8).counts == [8, 120, 428, 744, 930, 1004, 1022, 1024]
    assert Contexts(1).counts == [1]
    assert sum(1 for count in range(1, 9) for kept in combinations(range(8), count) for _ in kept) == 1024
