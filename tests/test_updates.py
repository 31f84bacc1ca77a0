"""Passes that add up to updates, in every precision."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from ada3d_gym.bandit import ClipBandit
from ada3d_gym.building import build_classifier
from ada3d_gym.errors import DivergedError, InputError
from ada3d_gym.finetuning import ClassifierTrainer
from ada3d_gym.networks.classifier import NetworkClassifier
from ada3d_gym.networks.resnet3d import MaskedResNet3d
from ada3d_gym.networks.spec import I3D_TINY
from ada3d_gym.updates import Updates

PRECISIONS: tuple[Any, ...] = ("float32", "bfloat16", "float16")


def line(precision: Any, lr: float = 0.1) -> tuple[nn.Linear, Updates]:
    network = nn.Linear(2, 1, bias=False)
    nn.init.ones_(network.weight)
    return network, Updates(network, torch.optim.SGD(network.parameters(), lr), "cpu", precision)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_weights_and_gradients_are_float32_and_passes_are_not(precision: Any):
    network, updates = line(precision, lr=1.0)
    with updates.computing():
        out = updates.network(torch.tensor([[1.0, 2.0]]))
    assert out.dtype == getattr(torch, precision)
    updates.backward(out.float().sum() / 8)
    assert updates.fetch("the loss", out.detach().sum(), torch.tensor(7)) == [3.0, 7.0]
    updates.step()
    assert network.weight.dtype == torch.float32
    assert network.weight.tolist()[0] == pytest.approx([0.875, 0.75])


def test_small_gradients_of_float16_do_not_become_zero():
    network, updates = line("float16", lr=1.0)
    small = 1e-8  # float16 begins at 6e-8
    with updates.computing():
        out = updates.network(torch.ones(1, 2))
    updates.backward(out.float().sum() * small)
    updates.step()
    assert (1 - network.weight.double()).tolist()[0] == pytest.approx([small] * 2, rel=0.2, abs=6e-8)


def test_a_step_that_overflows_is_left_out_and_one_that_always_does_has_diverged():
    network, updates = line("float16")
    before = network.weight.detach().clone()

    def overflow() -> None:
        updates.optimizer.zero_grad()
        with updates.computing():
            out = updates.network(torch.ones(1, 2))
        updates.backward(out.float().sum() * float("inf"))  # the gradient's part alone
        updates.fetch("the loss", torch.zeros(()))
        updates.step()

    overflow()
    assert torch.equal(network.weight, before)
    assert updates.state_dict()["scale"] == 2.0**15  # of 2^16 at first
    other = line("float16")[1]
    other.load_state_dict(updates.state_dict())
    assert other.state_dict() == updates.state_dict()
    with pytest.raises(DivergedError, match=r"gradient of the loss does not fit float16"):
        for _ in range(20):
            overflow()
    assert torch.equal(network.weight, before)


def test_a_loss_that_is_no_number_has_diverged_in_every_precision():
    for precision in PRECISIONS:
        with pytest.raises(DivergedError, match=r"the loss is nan at a learning rate of 0\.1"):
            line(precision)[1].fetch("the loss", torch.tensor(float("nan")))


def test_an_unknown_precision_is_named():
    with pytest.raises(InputError, match="int8"):
        line("int8")


def clips(count: int = 6) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(0)
    u, v = rng.random((count, 4)) < 0.7, rng.random((count, I3D_TINY.num_stages)) < 0.5
    u[2] = False  # left out
    return rng.integers(0, 255, (count, 4, 3, 32, 32), np.uint8), u, v, np.eye(4, dtype=np.bool_)[np.arange(count) % 4]


def trainer(precision: Any = None, micro_batch: int | None = None, recompute: bool = False, **options: Any):
    torch.manual_seed(0)
    classifier = NetworkClassifier(MaskedResNet3d(I3D_TINY, 4, dropout=0.0), 32)
    classifier.micro_batch, classifier.network.recompute = micro_batch, recompute
    return ClassifierTrainer(classifier, 0.05, freeze_batch_norm=False, precision=precision, **options)


def state(made: ClassifierTrainer) -> dict[str, torch.Tensor]:
    return made.classifier.network.state_dict()


@pytest.mark.parametrize("precision", PRECISIONS[1:])
def test_mixed_precision_trains_about_the_same(precision: Any):
    losses = {
        each: [(made := trainer(each)).step(*clips())] + [made.step(*clips()) for _ in range(3)]
        for each in ("float32", precision)
    }
    assert losses[precision] == pytest.approx(losses["float32"], rel=0.05)
    assert losses[precision] != losses["float32"]


def test_the_classifiers_precision_is_its_trainers_unless_that_has_its_own():
    made = trainer()
    made.classifier.precision = "float16"
    assert "scale" not in made.state_dict()
    again = ClassifierTrainer(made.classifier, 0.05)
    assert again.state_dict()["scale"]["scale"] == 2.0**16
    assert "scale" not in ClassifierTrainer(made.classifier, 0.05, precision="bfloat16").state_dict()


def test_a_float16_training_goes_on_from_a_state():
    whole, first, second = (trainer("float16") for _ in range(3))
    for _ in range(2):
        whole.step(*clips())
    first.step(*clips())
    second.load_state_dict(first.state_dict())
    second.step(*clips())
    assert all(torch.equal(value, state(whole)[key]) for key, value in state(second).items())


@pytest.mark.parametrize("precision", PRECISIONS[:2])
def test_maps_that_are_computed_anew_change_nothing(precision: Any):
    kept, anew = (trainer(precision, 3, recompute) for recompute in (False, True))
    for _ in range(2):
        assert kept.step(*clips()) == anew.step(*clips())
    assert all(torch.equal(value, state(anew)[key]) for key, value in state(kept).items())


def test_dropout_of_passes_is_drawn_by_step_and_pass(bandit: ClipBandit):
    def dropped(micro_batch: int | None) -> list[float]:
        classifier = build_classifier(bandit.source)
        classifier.micro_batch = micro_batch
        made = ClassifierTrainer(classifier, 0.0, dropout=0.5)
        ids = np.arange(6) * bandit.source.views
        masks = np.ones((6, 8), np.bool_), np.ones((6, 5), np.bool_)
        return [made.step(bandit.source.clips(ids), *masks, bandit.source.targets(ids)) for _ in range(2)] + [
            made.state_dict()["draws"]
        ]

    whole, parted = dropped(None), dropped(2)
    assert len({*whole, *parted}) == 5 and whole[-1] == parted[-1] == 2
    assert parted == dropped(2)


def test_the_host_waits_once_for_an_update_whatever_its_passes(monkeypatch: pytest.MonkeyPatch):
    made = trainer(micro_batch=1)
    waits: list[str] = []
    for name in ("tolist", "item", "__float__", "__bool__"):
        real = getattr(torch.Tensor, name)
        monkeypatch.setattr(torch.Tensor, name, lambda self, real=real, name=name: waits.append(name) or real(self))
    made.step(*clips())
    assert waits == ["tolist"]
