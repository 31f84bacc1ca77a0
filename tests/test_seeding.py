"""Seeds decide; global state is left alone."""

from __future__ import annotations

import torch

from ada3d_gym.seeding import spawn, torch_generator, torch_seed


def test_streams_are_repeatable_and_differ_by_seed_and_key():
    def number(seed: int, *key: int) -> int:
        return int(torch.randint(2**62, (1,), generator=torch_generator(spawn(seed, *key))))

    assert number(3, 1, 2) == number(3, 1, 2)
    drawn = [number(seed, *key) for seed in (0, 1, 2) for key in [(1,), (2,), (1, 2), (2, 1)]]
    assert len(set(drawn)) == len(drawn)


def test_torchs_global_generator_is_restored():
    torch.manual_seed(7)
    expected = torch.rand(2)
    torch.manual_seed(7)
    with torch_seed(spawn(1)):
        inside = torch.rand(3)
    assert torch.equal(torch.rand(2), expected)
    with torch_seed(spawn(1)):
        assert torch.equal(torch.rand(3), inside)
