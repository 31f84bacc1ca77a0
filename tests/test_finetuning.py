"""Training the classifier under masks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ada3d_gym.bandit import ClipBandit
from ada3d_gym.building import build_classifier
from ada3d_gym.errors import DivergedError, InputError
from ada3d_gym.finetuning import ClassifierTrainer, parts_of_updates
from ada3d_gym.networks.classifier import NetworkClassifier
from ada3d_gym.networks.resnet3d import MaskedResNet3d
from ada3d_gym.networks.spec import I3D_R50


@pytest.fixture
def classifier(bandit: ClipBandit) -> NetworkClassifier:
    """The shipped network with a head that knows nothing."""
    made = build_classifier(bandit.source)
    torch.nn.init.zeros_(made.network.head.weight)
    return made


@pytest.fixture(scope="module")
def batch(bandit: ClipBandit) -> tuple[np.ndarray, ...]:
    """Clips, u, v and targets of one clip of each video."""
    ids = np.arange(28) * bandit.source.views + 1
    rng = np.random.default_rng(0)
    u, v = rng.random((28, 8)) < 0.8, rng.random((28, 5)) < 0.8
    return bandit.source.clips(ids), u, v, bandit.source.targets(ids)


def weights(classifier: NetworkClassifier) -> dict[str, torch.Tensor]:
    return {key: value.clone() for key, value in classifier.network.state_dict().items()}


def test_training_lowers_the_loss(classifier: NetworkClassifier, batch: tuple[np.ndarray, ...]):
    trainer = ClassifierTrainer(classifier, 0.01)
    losses = [trainer.step(*batch) for _ in range(15)]
    assert losses[0] == pytest.approx(np.log(14), abs=0.5)
    assert losses[-1] < losses[0] / 2


def test_batch_norm_statistics_stay_and_weights_move(classifier: NetworkClassifier, batch: tuple[np.ndarray, ...]):
    before = weights(classifier)
    classifier.network.train()
    ClassifierTrainer(classifier, 0.05).step(*batch)
    for key, value in classifier.network.state_dict().items():
        is_statistic = key.startswith("pixels.") or key.endswith(("running_mean", "running_var", "num_batches_tracked"))
        assert torch.equal(value, before[key]) is is_statistic or "conv" in key, key
    assert not torch.equal(classifier.network.stem.conv.weight, before["stem.conv.weight"])


def statistics(classifier: NetworkClassifier) -> torch.Tensor:
    return classifier.network.stem.norm.running_mean.clone()


@pytest.mark.parametrize("dropout", [0.0, 0.5])
@pytest.mark.parametrize("freeze", [True, False])
def test_batch_norm_and_dropout_are_trained_apart(
    classifier: NetworkClassifier, batch: tuple[np.ndarray, ...], freeze: bool, dropout: float
):
    torch.nn.init.normal_(classifier.network.head.weight)
    before = statistics(classifier)
    trainer = ClassifierTrainer(classifier, 0.0, freeze_batch_norm=freeze, dropout=dropout)
    losses = {trainer.step(*batch) for _ in range(3)}
    assert torch.equal(statistics(classifier), before) is freeze
    assert (len(losses) > 1) is (dropout > 0)  # at a learning rate of zero, what is dropped alone differs
    clips, u, v, _ = batch
    assert np.array_equal(classifier.scores(clips, u, v), classifier.scores(clips, u, v))


def test_statistics_that_are_not_the_networks_own_can_be_trained_but_not_kept():
    clips = np.random.default_rng(0).integers(0, 256, (2, 4, 3, 32, 32), np.uint8)
    masks, targets = (np.ones((2, 4), np.bool_), np.ones((2, 5), np.bool_)), np.eye(2, dtype=np.bool_)

    def trained(freeze: bool) -> float:
        torch.manual_seed(0)
        classifier = NetworkClassifier(MaskedResNet3d(I3D_R50, 2), 32)  # statistics of nothing
        trainer = ClassifierTrainer(classifier, 0.02, freeze_batch_norm=freeze)
        return max(trainer.step(clips, *masks, targets) for _ in range(3))

    assert trained(freeze=False) < 100
    with pytest.raises(DivergedError, match=r"^the classifier's loss is (nan|inf) at a learning rate of 0\.02$"):
        trained(freeze=True)


@pytest.mark.parametrize("dropout", [-0.1, 1.0, float("nan")])
def test_a_dropout_that_is_no_probability_is_refused(classifier: NetworkClassifier, dropout: float):
    with pytest.raises(InputError, match=f"dropout={dropout}: expected a probability"):
        ClassifierTrainer(classifier, 0.01, dropout=dropout)


def test_the_loss_is_the_cross_entropy_of_the_masked_scores(
    classifier: NetworkClassifier, batch: tuple[np.ndarray, ...]
):
    torch.manual_seed(0)
    torch.nn.init.normal_(classifier.network.head.weight)
    clips, u, v, targets = batch
    expected = -np.log(classifier.scores(clips, u, v)[targets]).mean()
    assert ClassifierTrainer(classifier, 0.0).step(*batch) == pytest.approx(expected, rel=1e-4)


def test_several_labels_share_the_target(classifier: NetworkClassifier, batch: tuple[np.ndarray, ...]):
    torch.manual_seed(0)
    torch.nn.init.normal_(classifier.network.head.weight)
    clips, u, v, targets = (part[:1] for part in batch)
    both = targets.copy()
    both[0, 5] = True
    expected = -np.log(classifier.scores(clips, u, v)[both]).mean()
    assert ClassifierTrainer(classifier, 0.0).step(clips, u, v, both) == pytest.approx(expected, rel=1e-4)


def test_clips_without_frames_are_left_out(bandit: ClipBandit, batch: tuple[np.ndarray, ...]):
    one, other = build_classifier(bandit.source), build_classifier(bandit.source)
    clips, u, v, targets = (part[:8].copy() for part in batch)
    u[[1, 6]] = False
    kept = u.any(1)
    loss = ClassifierTrainer(one, 0.05).step(clips, u, v, targets)
    assert loss == ClassifierTrainer(other, 0.05).step(clips[kept], u[kept], v[kept], targets[kept])
    assert all(torch.equal(value, other.network.state_dict()[key]) for key, value in one.network.state_dict().items())


def test_a_batch_without_frames_changes_nothing(classifier: NetworkClassifier, batch: tuple[np.ndarray, ...]):
    before = weights(classifier)
    clips, u, v, targets = batch
    assert ClassifierTrainer(classifier, 0.05).step(clips, np.zeros_like(u), v, targets) == 0
    assert all(torch.equal(value, before[key]) for key, value in classifier.network.state_dict().items())


@pytest.mark.parametrize(
    ("count", "size", "accumulate", "shares"),
    [
        (6, 2, 2, [[0.5, 0.5], [1.0]]),
        (7, 2, 2, [[0.5, 0.5], [2 / 3, 1 / 3]]),
        (3, 4, 2, [[1.0]]),
        (2, 1, 1, [[1], [1]]),
    ],
)
def test_updates_are_made_of_batches_by_their_clips(count: int, size: int, accumulate: int, shares: list[list[float]]):
    parts = parts_of_updates(count, size, accumulate)
    assert [part.share for part in parts] == pytest.approx([share for update in shares for share in update])
    first_and_last = [(n == 0, n == len(update) - 1) for update in shares for n in range(len(update))]
    assert [(part.first, part.last) for part in parts] == first_and_last


def test_accumulated_batches_are_one_batch(bandit: ClipBandit, batch: tuple[np.ndarray, ...]):
    one, other = build_classifier(bandit.source), build_classifier(bandit.source)
    whole, parted = ClassifierTrainer(one, 0.05), ClassifierTrainer(other, 0.05)
    clips, u, v, targets = (part[:10] for part in batch)
    u = u | ~u.any(1, keepdims=True)
    for _ in range(2):
        whole.step(clips, u, v, targets)
        for number, part in enumerate(parts_of_updates(10, 4, 3)):
            rows = slice(4 * number, 4 * number + 4)
            parted.step(clips[rows], u[rows], v[rows], targets[rows], part)
    for key, value in one.network.state_dict().items():
        torch.testing.assert_close(other.network.state_dict()[key], value, rtol=1e-4, atol=1e-5)


def test_clips_without_labels_are_left_out(classifier: NetworkClassifier, batch: tuple[np.ndarray, ...]):
    clips, u, v, targets = batch
    targets = targets.copy()
    targets[3] = False
    assert np.isfinite(ClassifierTrainer(classifier, 0.01).step(clips, u, v, targets))


def test_training_goes_on_from_a_state(bandit: ClipBandit, batch: tuple[np.ndarray, ...]):
    def fresh() -> ClassifierTrainer:
        return ClassifierTrainer(build_classifier(bandit.source), 0.05, freeze_batch_norm=False, dropout=0.5)

    whole = fresh()
    for _ in range(2):
        whole.step(*batch)
    first = fresh()
    first.step(*batch)
    second = fresh()
    second.load_state_dict(first.state_dict())
    second.step(*batch)
    expected = whole.classifier.network.state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in second.classifier.network.state_dict().items())


@pytest.mark.parametrize(("done", "share"), [(0.0, 1.0), (0.5, 0.5), (1.0, 0.0)])
def test_the_learning_rate_goes_down_a_cosine(classifier: NetworkClassifier, done: float, share: float):
    trainer = ClassifierTrainer(classifier, 0.04)
    trainer.set_progress(done)
    assert [group["lr"] for group in trainer.optimizer.param_groups] == [pytest.approx(0.04 * share)]
