"""What the GPU's path asks of a device, counted on PyTorch's "meta" device, where waiting for a value is an error."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ada3d_gym.networks import classifier as classifier_module
from ada3d_gym.networks.classifier import NetworkClassifier
from ada3d_gym.networks.current import CurrentForm
from ada3d_gym.networks.resnet3d import MaskedResNet3d
from ada3d_gym.networks.selection import ClipTrunk, SelectionNetwork
from ada3d_gym.networks.spec import I3D_R50, I3D_TINY
from benchmarks.counting import Counted

T, K, CLIPS, MASKS = 8, 5, 32, 128


@pytest.fixture(scope="module")
def batch() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Clips, which of them each mask is of, and the masks, as REINFORCE asks with four samples."""
    rng = np.random.default_rng(0)
    u, v = rng.random((MASKS, T)) < 0.7, rng.random((MASKS, K)) < 0.5
    return np.zeros((CLIPS, T, 3, 224, 224), np.uint8), np.tile(np.arange(CLIPS), MASKS // CLIPS), u, v


@pytest.fixture(scope="module")
def counted(batch: tuple[np.ndarray, ...]) -> Counted:
    with torch.device("meta"):
        network = MaskedResNet3d(I3D_R50, 400)
    on_device = NetworkClassifier(network, 224, device="meta", precision="bfloat16")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classifier_module, "fetched", lambda columns: [np.zeros(columns[0].shape, np.float32)])
        on_device.scores_of(*batch)  # the form is made
        with Counted() as counts:
            scores = on_device.scores_of(*batch)
    assert scores.shape == (MASKS, 400)
    return counts


def test_nothing_waits_for_the_device(counted: Counted):
    assert counted.waits == 0


def test_each_frame_is_copied_once_however_many_masks_keep_it(
    counted: Counted, batch: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
):
    clips, of, u, _ = batch
    kept = sum(u[of == clip].any(0).sum() for clip in range(CLIPS))
    indices = counted.copied_bytes - kept * clips[0, 0].nbytes
    assert counted.copies == 3  # frames, where each packed one is among them, and all that the network asks for
    assert 0 < indices < 2**17


def test_the_stem_takes_a_call_for_each_length(counted: Counted):
    assert counted.convolutions["stem", 5] <= T - 1
    assert counted.convolutions["stem", 4] <= 1


def test_folding_again_takes_an_operation_or_two_for_each_convolution():
    current = CurrentForm(MaskedResNet3d(I3D_TINY, 5))
    form = current.get()
    folds, memory = current._folds, {value.data_ptr() for value in form.buffers()}
    assert folds is not None
    with Counted() as counts:
        folds.refresh()
    assert counts.total <= 2 * sum(isinstance(each, torch.nn.BatchNorm2d) for each in current._network.modules()) + 8
    current._network.stem.conv.weight.data.mul_(2)
    assert {value.data_ptr() for value in current.get().buffers()} == memory


def test_features_and_taps_share_their_memory():
    form = CurrentForm(MaskedResNet3d(I3D_TINY, 5)).get()
    block = form.blocks["res2"][0].a
    assert {tap.weight.untyped_storage().data_ptr() for tap in block.taps} == {
        block.weight.untyped_storage().data_ptr()
    }


def test_a_selection_network_is_brought_up_to_date_without_waiting():
    with torch.device("meta"):
        network = SelectionNetwork(ClipTrunk(T, "mobilenet_v2"), K)
    current = CurrentForm(network.eval(), torch.bfloat16)
    seen = torch.zeros(4, T, 3, 112, 112, dtype=torch.uint8, device="meta")
    current.get()
    with torch.inference_mode(), Counted() as counts:
        logits = current.get()(seen)
    assert counts.waits == 0
    assert logits.frames.shape == (4, T)


def test_compiled_code_is_made_a_few_times_for_all_masks_and_answers_the_same():
    torch.manual_seed(0)
    network = MaskedResNet3d(I3D_TINY, 14)
    torch.nn.init.normal_(network.head.weight, std=0.2)
    plain, compiled = NetworkClassifier(network, 32), NetworkClassifier(network, 32, compile="eager")
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    rng = np.random.default_rng(0)
    for count in (1, 5, 9, 3):
        clips = rng.integers(0, 256, (count, T, 3, 32, 32), np.uint8)
        u, v = rng.random((count, T)) < 0.6, rng.random((count, K)) < 0.5
        if count == 9:
            u[:] = False
        assert compiled.scores(clips, u, v) == pytest.approx(plain.scores(clips, u, v), abs=1e-5)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] <= 4
    assert not torch._dynamo.utils.counters["graph_break"]
    with torch.no_grad():
        network.head.weight.mul_(2)
    assert compiled.scores(clips, u, v) == pytest.approx(plain.scores(clips, u, v), abs=1e-5)
