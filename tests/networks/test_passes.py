"""A batch in several passes is the same batch, on each thread and in processes that are forked off."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor

from ada3d_gym.networks import passes
from ada3d_gym.networks.inference import inference_form
from ada3d_gym.networks.macs import count_macs
from ada3d_gym.networks.passes import in_passes
from ada3d_gym.networks.spec import X3D_TINY
from ada3d_gym.networks.x3d import MaskedX3d

CLIPS, FRAMES, SIDE = 7, 8, 32


@pytest.fixture
def threads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """So many of PyTorch's, that take passes of a frame or more."""
    monkeypatch.setattr(passes, "SMALLEST_PIXELS", 1)
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def batch() -> tuple[Tensor, Tensor, Tensor]:
    random = torch.Generator().manual_seed(0)
    clips = torch.rand(CLIPS, FRAMES, 3, SIDE, SIDE, generator=random, dtype=torch.float64)
    u = torch.rand(CLIPS, FRAMES, generator=random) < 0.6
    return clips, u, torch.rand(CLIPS, 5, generator=random) < 0.5


def network() -> MaskedX3d:
    torch.manual_seed(0)
    return MaskedX3d(X3D_TINY, 5).double().eval()


@pytest.mark.parametrize("threads", [1, 2, 3], indirect=True)
@pytest.mark.parametrize("frames", [1, 20, 1000])
def test_passes_of_any_length_on_any_threads_give_the_same(threads: int, frames: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(passes, "PASS_PIXELS", frames * SIDE**2)
    plain, (clips, u, v) = network(), batch()
    form = inference_form(plain, torch.float64)
    with torch.inference_mode():
        expected = plain(clips, u, v)
        for _ in range(2):  # weights get oneDNN's layout on the way
            torch.testing.assert_close(form(clips, u, v), expected, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(form(clips[u], u, v), expected, rtol=1e-9, atol=1e-9)
        assert torch.equal(form(clips, u & False, v), form.head.bias.expand(CLIPS, -1))
    torch.testing.assert_close(form(clips, u, v), expected, rtol=1e-9, atol=1e-9)  # without inference mode, too
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("threads", [2], indirect=True)
def test_passes_run_beside_each_other_each_on_one_thread(threads: int):
    rows, ways = [], set()

    def compute(clips: Tensor, u: Tensor, v: Tensor) -> Tensor:
        rows.append(len(u))
        ways.add((torch.get_num_threads(), torch.is_grad_enabled(), torch.is_inference_mode_enabled()))
        return clips.sum((1, 2, 3, 4))

    clips, u, v = batch()
    with torch.inference_mode():
        assert torch.equal(in_passes(compute, clips, u, v), clips.sum((1, 2, 3, 4)))
    assert sorted(rows) == [3, 4]
    assert ways == {(1, False, True)}


@pytest.mark.parametrize("threads", [2], indirect=True)
def test_what_counts_operations_sees_them(threads: int):
    form, (clips, u, v) = inference_form(network(), torch.float64), batch()
    counted = count_macs(form, clips, u, v)
    form.in_passes = False
    assert counted == count_macs(form, clips, u, v) > 0


@pytest.mark.parametrize("threads", [2], indirect=True)
def test_errors_of_a_pass_are_raised(threads: int):
    def compute(clips: Tensor, u: Tensor, v: Tensor) -> Tensor:
        raise ValueError("a pass fails")

    with pytest.raises(ValueError, match="a pass fails"):
        in_passes(compute, *batch())


@pytest.mark.parametrize("threads", [2], indirect=True)
def test_several_threads_may_ask_at_once(threads: int):
    form, (clips, u, v) = inference_form(network(), torch.float64), batch()
    expected = form(clips, u, v)
    with ThreadPoolExecutor(3) as pool:
        for got in pool.map(lambda _: form(clips, u, v), range(12)):
            torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("threads", [2], indirect=True)
def test_a_forked_process_does_not_wait_for_threads_that_it_has_not(threads: int):
    form, (clips, u, v) = inference_form(network(), torch.float64), batch()
    expected = form(clips, u, v)
    with multiprocessing.get_context("fork").Pool(1) as pool:
        got = pool.apply_async(form, (clips, u, v)).get(60)
    torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-9)
