"""Checkpoint files are told by their content, and weights found under any usual key and prefix."""

from __future__ import annotations

import argparse
import gzip
import io
import json
import pickle
import tarfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ada3d_gym.networks.checkpoints.loading import LoadReport, load_checkpoint
from ada3d_gym.networks.checkpoints.weights import CheckpointError, load_weights
from ada3d_gym.networks.resnet3d import MaskedResNet3d
from ada3d_gym.networks.spec import I3D_TINY
from ada3d_gym.shipped import CLASSIFIER

STATE = load_file(CLASSIFIER)
OTHER = {key: value * 2 for key, value in STATE.items()}  # an average of the weights, say


def loaded(path: Path) -> LoadReport:
    """The report of a checkpoint that has the weights of STATE."""
    network = MaskedResNet3d(I3D_TINY, 14)
    report = load_checkpoint(network, path)
    assert all(torch.equal(value, STATE[key]) for key, value in network.state_dict().items())
    return report


def refused(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(MaskedResNet3d(I3D_TINY, 14), path)
    assert str(caught.value).startswith(str(path))
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def pickled(path: Path, protocol: int = 2, order: str = "=") -> None:
    arrays = {key: value.numpy().astype(value.numpy().dtype.newbyteorder(order)) for key, value in STATE.items()}
    path.write_bytes(pickle.dumps({"blobs": arrays}, protocol))


def torch_with_numpy(path: Path, core: str = "numpy._core") -> None:
    """As trainers write a best accuracy and a history, under NumPy 2 or before."""
    beside = {"best": np.float64(0.5), "epoch": np.int64(3), "losses": np.zeros(3), "best_so_far": np.bool_(True)}
    buffer = io.BytesIO()
    torch.save({"model_state": STATE} | beside, buffer)
    with zipfile.ZipFile(buffer) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            target.writestr(name, source.read(name).replace(b"numpy._core", core.encode()))


READABLE: dict[str, Callable[[Path], object]] = {
    "safetensors": lambda path: save_file(STATE, path),
    "torch": lambda path: torch.save({"model_state": STATE}, path),
    "torch, with NumPy's numbers": torch_with_numpy,
    "torch, with those of NumPy 1": lambda path: torch_with_numpy(path, "numpy.core"),
    "torch, before 1.6": lambda path: torch.save(STATE, path, _use_new_zipfile_serialization=False),
    "pickle": pickled,
    "pickle in text": lambda path: pickled(path, 0),
    "pickle, big-endian": lambda path: pickled(path, 4, ">"),
}


@pytest.mark.parametrize("suffix", [".pyth", ".pkl", ".safetensors", ".ckpt", ""])
@pytest.mark.parametrize("kind", READABLE)
def test_a_suffix_is_only_a_name(kind: str, suffix: str, tmp_path: Path):
    READABLE[kind](tmp_path / f"net{suffix}")
    assert loaded(tmp_path / f"net{suffix}").head == "kept, 14 classes"


def zipped(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net.pth", b"")


def tarred(path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        archive.addfile(tarfile.TarInfo("net.pth"))


def script(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(nn.Linear(2, 2), torch.zeros(1, 2)).save(path)


def cut(write: Callable[[Path], object]) -> Callable[[Path], None]:
    def write_cut(path: Path) -> None:
        write(path)
        path.write_bytes(path.read_bytes()[:-1000])

    return write_cut


def folder(path: Path) -> None:
    path.mkdir()
    (path / "model.safetensors").touch()


NOT_READABLE: dict[str, tuple[Callable[[Path], object], str]] = {
    "web page": (
        lambda path: path.write_text("\n<!DOCTYPE html><html>Sign in</html>"),
        "a web page.*download it again",
    ),
    "error of a server": (lambda path: path.write_text("<?xml version='1.0'?><Error/>"), "a web page"),
    "Git LFS": (
        lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2\nsize 9\n"),
        "a Git LFS pointer.*git lfs pull",
    ),
    "text": (lambda path: path.write_text("404: Not Found"), "a text file, no weights .*'404: Not Found'"),
    "JSON": (lambda path: path.write_text('{"weight_map": {}}'), "a list of the files that hold"),
    "JSON of a server": (lambda path: path.write_text('{"message": "Not found"}'), "a text file, no weights"),
    "empty": (lambda path: path.touch(), "an empty file.*download or copy it again"),
    "folder": (folder, "a folder.*give the path of a file in it, which holds model.safetensors"),
    "gzip": (lambda path: path.write_bytes(gzip.compress(b"x")), "compressed by gzip.*unpack it first"),
    "zip": (zipped, "a zip archive .it holds net.pth.*unpack it"),
    "tar": (tarred, "a tar archive.*unpack it first"),
    "HDF5": (lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(50)), "an HDF5 file"),
    "NumPy": (lambda path: np.save(path.open("wb"), np.zeros(3)), "a NumPy array, which has no name"),
    "TorchScript": (script, r"a TorchScript program.*torch\.jit\.load\("),
    "torch, cut short": (cut(READABLE["torch"]), "not a readable PyTorch file.*download or copy it again"),
    "old torch, cut short": (
        cut(READABLE["torch, before 1.6"]),
        "not a readable PyTorch file.*download or copy it again",
    ),
    "safetensors, cut short": (
        cut(READABLE["safetensors"]),
        "not a readable safetensors file.*download or copy it again",
    ),
    "pickle, cut short": (cut(pickled), "not a readable checkpoint"),
    "a whole network": (
        lambda path: torch.save(nn.Linear(2, 2), path),
        r"more than tensors .*it asks for torch\.nn\.modules\.linear\.Linear.*torch\.save.*state_dict\(",
    ),
    "options beside": (
        lambda path: torch.save({"model": STATE, "args": argparse.Namespace(lr=1)}, path),
        r"more than tensors and plain values .it asks for argparse\.Namespace.*weights_only=False",
    ),
    "a newer pickle in torch": (lambda path: torch.save(STATE, path, pickle_protocol=4), "Unsupported operand 149"),
    "tensors by pickle": (
        lambda path: path.write_bytes(pickle.dumps(STATE)),
        r"asks for torch\..*pickle\.load\(open\(",
    ),
    "a list": (lambda path: torch.save([torch.zeros(3)], path), "holds no tensors by name.*it is a list"),
    "no tensors": (lambda path: torch.save({"epoch": 3, "acc": 0.5}, path), "no tensors.*its keys are epoch, acc"),
}


@pytest.mark.parametrize("suffix", [".pth", ".pkl", ".safetensors"])
@pytest.mark.parametrize("kind", NOT_READABLE)
@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_what_is_no_weights_file_is_told_by_what_it_is(kind: str, suffix: str, tmp_path: Path):
    write, told = NOT_READABLE[kind]
    write(tmp_path / f"net{suffix}")
    assert refused(tmp_path / f"net{suffix}")
    with pytest.raises(CheckpointError, match=told):
        load_checkpoint(MaskedResNet3d(I3D_TINY, 14), tmp_path / f"net{suffix}")
    with pytest.raises(CheckpointError, match=f"net{suffix}: .*safetensors file"):
        load_weights(MaskedResNet3d(I3D_TINY, 14), tmp_path / f"net{suffix}")


@pytest.mark.parametrize("name", ["net-00001-of-00002.safetensors", "net.safetensors.index.json"])
def test_weights_in_several_files_are_refused_with_the_way_to_join_them(name: str, tmp_path: Path):
    names = {key: f"net-0000{1 + index % 2}-of-00002.safetensors" for index, key in enumerate(sorted(STATE))}
    for each in set(names.values()):
        save_file({key: STATE[key] for key in STATE if names[key] == each}, tmp_path / each)
    (tmp_path / "net.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": names}))
    assert "that hold a network's weights together, expected a checkpoint; join them: torch.save(" in refused(
        tmp_path / name
    )
    whole = {key: value for each in set(names.values()) for key, value in load_file(tmp_path / each).items()}
    save_file(whole, tmp_path / "net-00001-of-00001.safetensors")
    loaded(tmp_path / "net-00001-of-00001.safetensors")


def test_an_optimizer_is_no_network(tmp_path: Path):
    network = nn.Linear(2, 2)
    optimizer = torch.optim.Adam(network.parameters())
    network(torch.zeros(1, 2)).sum().backward()
    optimizer.step()
    torch.save(optimizer.state_dict(), tmp_path / "last.pth")
    assert "the state of an optimizer" in refused(tmp_path / "last.pth")


KEYS = ["model_state_dict", "state_dict", "model", "net", "network", "weights", "params", "module", "student", "mine"]


@pytest.mark.parametrize("key", [*KEYS, "model_ema", "ema_state_dict", "state_dict_ema"])
def test_weights_are_found_under_any_key(key: str, tmp_path: Path):
    optimizer = torch.optim.AdamW([nn.Parameter(torch.zeros(2))])
    torch.save({"epoch": 3, "optimizer": optimizer.state_dict(), key: STATE}, tmp_path / "net.pth")
    assert loaded(tmp_path / "net.pth").where == key
    torch.save({"state": {"epoch": 3, key: STATE}}, tmp_path / "net.pth")
    assert loaded(tmp_path / "net.pth").where == f"state.{key}"


@pytest.mark.parametrize("average", ["model_ema", "ema", "state_dict_ema", "swa_model", "teacher"])
@pytest.mark.parametrize("key", KEYS)
def test_the_plain_weights_go_before_their_average_and_the_report_says_so(key: str, average: str, tmp_path: Path):
    torch.save({average: OTHER, key: STATE}, tmp_path / "net.pth")
    report = loaded(tmp_path / "net.pth")
    assert (report.where, report.left) == (key, (average,))
    assert f"taken from: {key}; left: {average}" in str(report)


PREFIXES = [
    *("module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module.", "_fsdp_wrapped_module.", "module.module."),
    *("model.", "net.", "network.", "backbone.", "encoder.student.", "model._orig_mod.module."),
]


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_prefix_of_all_names_is_taken_off(prefix: str, tmp_path: Path):
    counter = {"n_averaged": torch.tensor(4)}  # as torch.optim.swa_utils.AveragedModel saves it
    state = {prefix + key: value for key, value in STATE.items()}
    torch.save({"pytorch-lightning_version": "2.4", "state_dict": counter | state}, tmp_path / "net.ckpt")
    report = loaded(tmp_path / "net.ckpt")
    assert report.skipped == ("n_averaged",)
    assert report.prefix == prefix.replace("_orig_mod.", "").replace("_fsdp_wrapped_module.", "")


def test_a_network_compiled_in_parts_has_its_names_back(tmp_path: Path):
    torch.save(
        {key.replace("res2.0.", "res2._orig_mod.0."): value for key, value in STATE.items()}, tmp_path / "net.pth"
    )
    loaded(tmp_path / "net.pth")


@pytest.mark.parametrize("beside", ["criterion.weight", "ema_model.stem.conv.weight", "queue"])
def test_what_shares_no_prefix_is_refused_with_the_way_to_save_it_alone(beside: str, tmp_path: Path):
    path = tmp_path / "net.pth"
    state: dict[str, Tensor] = {f"model.{key}": value for key, value in STATE.items()} | {beside: torch.zeros(3)}
    torch.save(state, path)
    told = refused(path)
    assert beside in told
    torch.save({key.removeprefix("model."): value for key, value in state.items() if key.startswith("model.")}, path)
    loaded(path)
    torch.save({f"a.{key}": value for key, value in STATE.items()} | {"b.x": torch.zeros(2)}, path)
    assert "k.startswith('a.')" in refused(path)


def test_unknown_names_are_shown_with_what_was_expected(tmp_path: Path):
    torch.save({"model": {f"blocks.{i}.attn.qkv.weight": torch.zeros(3) for i in range(12)}}, tmp_path / "vit.pth")
    told = refused(tmp_path / "vit.pth")
    assert "blocks.0.attn.qkv.weight and its other keys under 'model' (blocks.1.attn.qkv.weight" in told
    assert "expected a checkpoint of ada3d-gym, PySlowFast" in told


def test_a_pickle_that_holds_itself_ends(tmp_path: Path):
    content: dict[str, object] = {"epoch": 3}
    content |= {f"again{i}": content for i in range(100)}
    buffer = io.BytesIO()
    pickle.dump(content, buffer)
    (tmp_path / "net.pkl").write_bytes(buffer.getvalue())
    assert "holds no tensors by name" in refused(tmp_path / "net.pkl")
