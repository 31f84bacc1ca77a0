"""Seeds decide; global state is left alone."""

from __future__ import annotations

import pytest
import torch

from ada3d_gym import parallel
from ada3d_gym.errors import InputError
from ada3d_gym.seeding import CallStreams, Stream, spawn, torch_generator, torch_seed


def test_streams_are_repeatable_and_differ_by_seed_and_key():
    def number(seed: int, *key: int) -> int:
        return int(torch.randint(2**62, (1,), generator=torch_generator(spawn(seed, *key))))

    assert number(3, 1, 2) == number(3, 1, 2)
    drawn = [number(seed, *key) for seed in (0, 1, 2) for key in [(1,), (2,), (1, 2), (2, 1)]]
    assert len(set(drawn)) == len(drawn)


def test_a_seed_below_zero_is_named():
    with pytest.raises(InputError, match="seed=-1: expected a whole number of at least 0"):
        spawn(-1, 0)


def test_torchs_global_generator_is_restored():
    torch.manual_seed(7)
    expected = torch.rand(2)
    torch.manual_seed(7)
    with torch_seed(spawn(1)):
        inside = torch.rand(3)
    assert torch.equal(torch.rand(2), expected)
    with torch_seed(spawn(1)):
        assert torch.equal(torch.rand(3), inside)


def test_no_two_streams_have_one_number():
    assert len(Stream) == len(Stream.__members__)  # a name with the number of another would be its alias


def test_a_policy_draws_the_same_whatever_the_number_of_processes(monkeypatch: pytest.MonkeyPatch):
    def drawn(calls: int) -> list[int]:
        streams = CallStreams(spawn(3, 1))
        return [int(streams.next().generate_state(1)[0]) for _ in range(calls)]

    expected = drawn(6)
    assert len(set(expected)) == 6
    monkeypatch.setattr(parallel, "world", lambda: 2)
    for rank in range(2):
        monkeypatch.setattr(parallel, "rank", lambda rank=rank: rank)
        assert drawn(3) == expected[rank::2]
