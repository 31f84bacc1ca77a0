"""Other people's 3D CNNs under masks: the same numbers as the slow reference, or a reason why not."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F

from ada3d_gym.bandit import ClipBandit
from ada3d_gym.envs.env import Ada3DEnv
from ada3d_gym.finetuning import ClassifierTrainer
from ada3d_gym.networks import masked
from ada3d_gym.networks.classifier import NetworkClassifier
from ada3d_gym.networks.conversion.check import ConversionError, is_temporal, without_time_strides
from ada3d_gym.networks.conversion.convert import ConvertedNetwork, convert
from ada3d_gym.networks.macs import count_macs
from ada3d_gym.rewards import MaskReward

SIDE = 16


def torchvisions(name: str) -> nn.Module:
    return getattr(torchvision.models.video, name)(num_classes=6)


class MeanInForward(nn.Module):
    """Factorised, grouped, dilated, biased; takes the mean over time and space by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            nn.Conv3d(3, 8, (1, 3, 3), padding=(0, 1, 1)),
            nn.Conv3d(8, 8, (5, 1, 1), padding=(2, 0, 0)),
            nn.GELU(),
            nn.Conv3d(8, 8, 3, padding=(2, 1, 2), dilation=(2, 1, 2), groups=4, bias=False),
            nn.BatchNorm3d(8),
            nn.MaxPool3d((1, 2, 2)),
        )
        self.fc = nn.Linear(8, 6)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.inner(x).mean((2, 3, 4)))


class SqueezeAndExcite(nn.Module):
    """As PySlowFast writes it, or with linear layers."""

    def __init__(self, linear: bool) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool3d(1)
        self.down, self.up = (nn.Linear(8, 4), nn.Linear(4, 8)) if linear else (nn.Conv3d(8, 4, 1), nn.Conv3d(4, 8, 1))
        self.linear = linear

    def forward(self, x: Tensor) -> Tensor:
        mean = self.pool(x).flatten(1) if self.linear else self.pool(x)
        factors = self.up(F.relu(self.down(mean))).sigmoid()
        return x * (factors[:, :, None, None, None] if self.linear else factors)


class Gated(MeanInForward):
    """Gates between convolutions over time, one of them channelwise, and a head that is not linear."""

    def __init__(self) -> None:
        super().__init__()
        channelwise = nn.Conv3d(8, 8, 3, (1, 2, 2), 1, groups=8)
        self.outer = nn.Sequential(SqueezeAndExcite(linear=True), channelwise, SqueezeAndExcite(linear=False))
        self.head = nn.Sequential(nn.AdaptiveAvgPool3d(1), nn.Conv3d(8, 8, 1), nn.ReLU(), nn.Flatten())

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.head(self.outer(self.inner(x))))


MAKERS: dict[str, Callable[[], nn.Module]] = {
    "mc3_18": lambda: torchvisions("mc3_18"),
    "r3d_18": lambda: torchvisions("r3d_18"),
    "r2plus1d_18": lambda: torchvisions("r2plus1d_18"),
    "mean in forward": MeanInForward,
    "gated": Gated,
}
STAGES = {"mc3_18": 2, "r3d_18": 5, "r2plus1d_18": 5, "mean in forward": 2, "gated": 2}


LARGE = ("r3d_18", "r2plus1d_18")


@pytest.fixture(
    scope="module", params=[pytest.param(name, marks=[pytest.mark.slow] if name in LARGE else []) for name in MAKERS]
)
def pair(request: pytest.FixtureRequest) -> tuple[nn.Module, ConvertedNetwork]:
    """A network with every weight random, in float64, without strides over time; and its conversion."""
    torch.manual_seed(0)
    network = MAKERS[request.param]().double().eval()
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if name.endswith(("running_mean", "bias")):
                value.normal_(std=0.3)
            if name.endswith("running_var"):
                value.uniform_(0.5, 2)
    converted = convert(network, size=SIDE, remove_time_strides=True)
    assert converted.num_stages == STAGES[request.param]
    assert converted.network.state_dict().keys() == network.state_dict().keys()
    without_time_strides(network)
    return network, converted


def slow(network: nn.Module, stage_names: tuple[str, ...], clips: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """Clip by clip: the kept frames, kernels cut to their centre where the stage is off, the network as it is."""
    rows = []
    for clip, keep, on in zip(clips, u, v, strict=True):
        cut = copy.deepcopy(network, {id(each): each for each in network.parameters()})  # which it shares
        for name, module in cut.named_modules():
            stage = next((i for i, stage in enumerate(stage_names) if f"{name}.".startswith(f"{stage}.")), None)
            if is_temporal(module) and not on[stage]:
                centre = module.kernel_size[0] // 2
                cut.set_submodule(name, Centre(network.get_submodule(name), centre))
        parameters = {key: value for key, value in network.named_parameters() if key in dict(cut.named_parameters())}
        rows.append(torch.func.functional_call(cut, parameters, clip[keep].transpose(0, 1)[None]))
    return torch.cat(rows)


class Centre(nn.Module):
    def __init__(self, conv: nn.Conv3d, centre: int):
        super().__init__()
        self.conv, self.centre = [conv], centre  # in a list, so as not to be registered

    def forward(self, x: Tensor) -> Tensor:
        conv = self.conv[0]
        padding, dilation = (0, *conv.padding[1:]), (1, *conv.dilation[1:])
        kernel = conv.weight[:, :, self.centre : self.centre + 1]
        return F.conv3d(x, kernel, conv.bias, conv.stride, padding, dilation, conv.groups)


def batch(stages: int, frames: int, seed: int, count: int = 5) -> tuple[Tensor, Tensor, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    u, v = (torch.rand(count, length, generator=rng) < 0.5 for length in (frames, stages))
    u[:, 0] = True
    v[0], v[1] = True, False
    return torch.randn(count, frames, 3, SIDE, SIDE, generator=rng, dtype=torch.float64), u, v


@pytest.mark.parametrize("large", [0, 10**9], ids=["spans", "gathered"])
@pytest.mark.parametrize("frames", [8, pytest.param(16, marks=pytest.mark.slow)])
def test_values(pair, frames: int, large: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(masked, "LARGE_FRAME", large)
    network, converted = pair
    clips, u, v = batch(converted.num_stages, frames, seed=frames)
    with torch.no_grad():
        expected = slow(network, converted.stage_names, clips, u, v)
        torch.testing.assert_close(converted(clips, u, v), expected, rtol=1e-9, atol=1e-9)
        everything = converted(clips, torch.ones_like(u), torch.ones_like(v))
        torch.testing.assert_close(everything, network(clips.transpose(1, 2)), rtol=1e-9, atol=1e-9)
    assert (everything - expected).abs().max() > 1e-3


def test_gradients(pair):
    network, converted = pair
    clips, u, v = batch(converted.num_stages, 8, seed=1, count=3)
    with torch.enable_grad():
        got = torch.autograd.grad(converted(clips, u, v)[:, :3].square().sum(), converted.network.parameters())
        logits = slow(network, converted.stage_names, clips, u, v)
        expected = torch.autograd.grad(logits[:, :3].square().sum(), network.parameters())
    for one, other in zip(got, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-8 * float(other.abs().max()))


def test_clips_without_frames_and_batches_without_any(pair):
    converted = pair[1]
    clips, u, v = batch(converted.num_stages, 8, seed=2)
    u[[1, 3]] = False
    with torch.no_grad():
        logits = converted(clips, u, v)
        alone = converted(clips[:1], u[:1], v[:1])
        torch.testing.assert_close(logits[:1], alone)
        assert torch.equal(logits[1], logits[3])
        assert converted(clips, torch.zeros_like(u), v).shape == logits.shape


def test_macs_are_pytorchs(pair):
    network, converted = pair
    counter = converted.count(SIDE)
    dense = count_macs(network, torch.zeros(1, 3, 8, SIDE, SIDE).double())
    last = 7 * 8 * 6 if type(network) is MeanInForward else 0  # the last layer, now before the mean
    last += 7 * 4 * 8 * 4 if isinstance(network, Gated) else 0  # gates, computed for each frame
    assert counter.full(8) == dense + last
    ones = np.ones((1, 8), np.bool_)
    off = count_macs(
        converted,
        torch.zeros(1, 8, 3, SIDE, SIDE).double(),
        torch.tensor(ones),
        torch.zeros(1, len(counter.stage)).bool(),
    )
    assert counter(ones, np.zeros((1, len(counter.stage)), np.bool_)).tolist() == [off]


def test_stages_can_be_named():
    network = convert(torchvisions("mc3_18"), size=SIDE, stages=["layer1.0", "layer1.1", "stem"])
    assert network.stage_names == ("layer1.0", "layer1.1", "stem")
    with pytest.raises(ConversionError, match=r"layer1\.1\.conv1\.0 .* must be in one stage"):
        convert(torchvisions("mc3_18"), size=SIDE, stages=["layer1.0", "stem"])
    with pytest.raises(ConversionError, match=r"'layer2' holds no convolution over time"):
        convert(torchvisions("mc3_18"), size=SIDE, stages=["layer2"])


class Bad(MeanInForward):
    def __init__(self, part: nn.Module):
        super().__init__()
        self.part = part

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.part(self.inner(x)).mean((2, 3, 4)))


class Gate(nn.Module):
    """Takes its mean by itself."""

    def forward(self, x: Tensor) -> Tensor:
        return x * x.mean((2, 3, 4), keepdim=True).sigmoid()


class Reverse(MeanInForward):
    def forward(self, x: Tensor) -> Tensor:
        return self.fc((self.inner(x) - self.inner(x).roll(1, 2)).square().mean((2, 3, 4)))


class NotLinear(MeanInForward):
    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.inner(x).mean((2, 3, 4))).square()


BAD: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "temporal stride": (lambda: torchvisions("r3d_18"), r"layer2\.0\.conv1\.0: stride 2 over time"),
    "temporal pool": (lambda: Bad(nn.MaxPool3d(2)), r"part: MaxPool3d pools over time \(kernel 2, stride 2\)"),
    "partial mean": (lambda: Bad(nn.AdaptiveAvgPool3d((2, 1, 1))), r"part: AdaptiveAvgPool3d to \(2, 1, 1\)"),
    "even kernel": (lambda: Bad(nn.Conv3d(8, 8, (2, 1, 1))), "part: kernel of even length 2"),
    "no padding": (lambda: Bad(nn.Conv3d(8, 8, (3, 1, 1))), r"part: padding 0 \(zeros\) over time; only 1"),
    "replicated padding": (
        lambda: Bad(nn.Conv3d(8, 8, (3, 1, 1), padding=(1, 0, 0), padding_mode="replicate")),
        r"part: padding 1 \(replicate\)",
    ),
    "transposed": (lambda: Bad(nn.ConvTranspose3d(8, 8, 3)), "part: ConvTranspose3d adds frames"),
    "group norm": (lambda: Bad(nn.GroupNorm(2, 8)), r"part \(GroupNorm\) mixes frames"),
    "gate": (lambda: Bad(Gate()), "mixes frames"),
    "roll": (Reverse, "forward mixes frames outside its modules"),
    "not linear after the mean": (NotLinear, "not linear"),
    "2D": (
        lambda: nn.Sequential(nn.Conv3d(3, 6, (1, 3, 3)), nn.AdaptiveAvgPool3d(1), nn.Flatten()),
        "no convolution over",
    ),
    "no logits": (lambda: nn.Conv3d(3, 6, 3, padding=1), r"gives shape .* not logits"),
    "another size": (lambda: nn.Conv3d(3, 6, (3, 99, 99), padding=(1, 0, 0)), "does not run on clips of shape"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_cannot_follow_masks_is_refused_with_the_reason(kind: str):
    make, told = BAD[kind]
    with pytest.raises(ConversionError, match=told):
        convert(make().eval(), size=SIDE)


def test_the_users_network_is_left_alone():
    network = torchvisions("r3d_18").train()
    before = copy.deepcopy(network)
    converted = convert(network, size=SIDE, remove_time_strides=True)
    assert converted.training and network.training
    assert network.layer2[0].conv1[0].stride == (2, 2, 2)
    assert all(
        torch.equal(a, b) for a, b in zip(network.state_dict().values(), before.state_dict().values(), strict=True)
    )


def test_in_an_environment_and_trained(bandit: ClipBandit):
    torch.manual_seed(0)
    network = convert(
        torchvisions("mc3_18"), size=SIDE, mean=(0.43216, 0.394666, 0.37645), std=(0.22803, 0.22145, 0.216989)
    )
    network.network.fc = nn.Linear(512, 14)
    classifier = NetworkClassifier(network, bandit.source.size)
    env = Ada3DEnv(ClipBandit(bandit.source, classifier, MaskReward(1.0)), render_mode="rgb_array")
    env.reset(seed=0)
    info = env.step(np.ones(8 + 2, np.int8))[-1]
    assert info["macs"] == network.count(32).full(8)
    assert env.render().ndim == 3
    ids = np.arange(0, 16, 4)
    u, v = np.ones((4, 8), np.bool_), np.ones((4, 2), np.bool_)
    before = classifier.scores(bandit.source.clips(ids), u, v)
    features, scores = classifier.features(bandit.source.clips(ids), u, v)  # nobody knows which layer is its last
    assert features.shape == (4, 14)
    assert np.array_equal(features.argmax(1), scores.argmax(1))
    assert np.array_equal(scores, before)
    trainer = ClassifierTrainer(classifier, 0.01)
    losses = [trainer.step(bandit.source.clips(ids), u, v, bandit.source.targets(ids)) for _ in range(3)]
    assert losses[-1] < losses[0]
    assert not np.allclose(classifier.scores(bandit.source.clips(ids), u, v), before)
