"""An interrupted training, joint phase included, ends bit for bit where an unbroken one does."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from ada3d_gym.agents.reinforce import Reinforce, ReinforceConfig
from ada3d_gym.agents.states import load_state, save_state
from ada3d_gym.bandit import ClipBandit
from ada3d_gym.building import build_bandit
from ada3d_gym.evaluation import evaluate
from ada3d_gym.experiments.index_videos import index_videos
from ada3d_gym.finetuning import ClassifierTrainer
from ada3d_gym.networks.checkpoints.weights import load_weights
from ada3d_gym.networks.selection import ClipTrunk, SelectionNetwork
from ada3d_gym.shipped import SELECTION
from tests.video.damage import overwrite

Figures = dict[int, dict[str, float]]
EPOCHS = 4  # two of each phase


def fresh_agent(seed: int, bandit: ClipBandit | None = None) -> Reinforce:
    """An agent whose every random start differs by seed."""
    torch.manual_seed(seed)
    bandit = bandit or build_bandit(split="val", videos=28)
    bandit.seed(seed)
    trunk = ClipTrunk(bandit.num_frames, "mobilenet_v2_tiny")
    load_weights(trunk, SELECTION)
    trainer = ClassifierTrainer(bandit.classifier, 0.001)
    config = ReinforceConfig(epochs=2, joint_epochs=2, batch_size=12, samples=2, entropy=0.01)
    return Reinforce(SelectionNetwork(trunk, bandit.num_stages), bandit, config, trainer)


def learn(agent: Reinforce, until: int) -> Figures:
    figures: Figures = {}
    agent.learn(until, figures.__setitem__)
    return figures


@pytest.fixture(scope="module")
def unbroken() -> tuple[Reinforce, Figures]:
    agent = fresh_agent(0)
    return agent, learn(agent, EPOCHS)


ALIKE = [pytest.param((epoch,), marks=pytest.mark.slow) for epoch in (1, 2, 3)]  # all three at once show as much


@pytest.mark.parametrize("breaks", [*ALIKE, (1, 2, 3)])
def test_it_goes_on_where_it_was(unbroken: tuple[Reinforce, Figures], breaks: tuple[int, ...], tmp_path: Path):
    expected, expected_figures = unbroken
    figures: Figures = {}
    agent = fresh_agent(0)
    for number, until in enumerate((*breaks, EPOCHS)):
        if number:
            agent = fresh_agent(number)
            agent.load_state_dict(load_state(tmp_path / "agent.pt"))
        figures |= learn(agent, until)
        save_state(tmp_path / "agent.pt", agent.state_dict())
    assert figures == expected_figures
    for one, other in (
        (agent.selection, expected.selection),
        (agent.trainer.classifier.network, expected.trainer.classifier.network),
    ):
        state = one.state_dict()
        assert all(torch.equal(state[key], value) for key, value in other.state_dict().items())


def test_clips_that_cannot_be_decoded_change_nothing_of_that(sets: Path, tmp_path: Path):
    root = tmp_path / "videos"
    shutil.copytree(sets / "videos", root)
    index_videos("videos", root=root)
    hurt = sorted(root.rglob("train*.mp4"))[:3]
    overwrite(hurt[0])
    overwrite(hurt[1], at=0.6)
    hurt[2].unlink()
    reading = {"data_root": root, "size": 32, "stride": 2, "views": 10, "max_bad_share": 0.5, "backbone": "i3d_tiny"}

    def trained(*untils: int) -> tuple[Figures, dict[str, torch.Tensor]]:
        figures: Figures = {}
        for number, until in enumerate(untils):
            bandit = build_bandit(dataset="videos", checkpoint=sets / "i3d_tiny.safetensors", **reading)
            agent = fresh_agent(number, bandit)
            if number:
                agent.load_state_dict(load_state(tmp_path / "agent.pt"))
            figures |= learn(agent, until)
            save_state(tmp_path / "agent.pt", agent.state_dict())
        left_out = evaluate(bandit, agent.act).left_out
        assert left_out.videos == 1 and left_out.clips > 10
        assert set(left_out.files) == set(map(str, hurt))
        bandit.source.close()
        return figures, agent.selection.state_dict() | {"left out": torch.tensor([left_out.clips])}

    figures, state = trained(4)
    resumed_figures, resumed = trained(2, 4)
    assert figures == resumed_figures
    assert all(torch.equal(value, resumed[key]) for key, value in state.items())


def test_both_phases_train_what_they_should(unbroken: tuple[Reinforce, Figures]):
    agent, figures = unbroken
    assert list(figures) == [1, 2, 3, 4]
    assert ["classifier_loss" in figures[epoch] for epoch in figures] == [False, False, True, True]
    shipped = build_bandit(split="val", videos=28).classifier.network
    after_stage_1, after_stage_2 = fresh_agent(0), agent
    learn(after_stage_1, 2)
    assert torch.equal(after_stage_1.trainer.classifier.network.head.weight, shipped.head.weight)
    assert not torch.equal(after_stage_2.trainer.classifier.network.head.weight, shipped.head.weight)
    heads = after_stage_1.selection.frame_head.weight, after_stage_2.selection.frame_head.weight
    assert not torch.equal(*heads)


class _Cut(Exception):
    """An interruption."""


def _saved_at(agent: Reinforce, path: Path, batches: int) -> None:
    """Learns until so many batches of an epoch are done in the epoch that `agent` is to be cut in, and saves there."""

    def cut(done: int) -> None:
        if done == batches:
            save_state(path, agent.state_dict())
            raise _Cut

    agent.midway.on_update = cut
    with pytest.raises(_Cut):
        learn(agent, agent.epoch + 1)


@pytest.mark.parametrize(
    ("epoch", "batches"),
    [(0, 1), (2, 2), *(pytest.param(*alike, marks=pytest.mark.slow) for alike in [(1, 2), (3, 1)])],
)
def test_it_goes_on_in_the_middle_of_an_epoch(
    unbroken: tuple[Reinforce, Figures], epoch: int, batches: int, tmp_path: Path
):
    expected, expected_figures = unbroken
    agent, path = fresh_agent(0), tmp_path / "agent.pt"
    figures = learn(agent, epoch)
    _saved_at(agent, path, batches)
    again = fresh_agent(7)
    again.load_state_dict(load_state(path))
    assert again.epoch == epoch
    figures |= learn(again, EPOCHS)
    assert figures == expected_figures
    assert "midway" not in again.state_dict()
    for one, other in (
        (again.selection, expected.selection),
        (again.trainer.classifier.network, expected.trainer.classifier.network),
    ):
        state = one.state_dict()
        assert all(torch.equal(state[key], value) for key, value in other.state_dict().items())
