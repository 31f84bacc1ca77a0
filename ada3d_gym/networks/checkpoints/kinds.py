"""What kind of file lies at a path, told by its first bytes: a suffix is only a name."""

from __future__ import annotations

import enum
import re
import zipfile
from pathlib import Path

from ada3d_gym.networks.checkpoints.fitting import CheckpointError

_LEGACY_TORCH = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # the pickled number that torch.save wrote first, before 1.6
_AGAIN = "download or copy it again"
_NO_WEIGHTS = (
    (
        b"version https://git-lfs",
        "a Git LFS pointer, which only stands for the weights",
        "fetch them with 'git lfs pull'",
    ),
    (b"\x1f\x8b", "compressed by gzip", "unpack it first"),
    (b"BZh", "compressed by bzip2", "unpack it first"),
    (b"\xfd7zXZ\0", "compressed by xz", "unpack it first"),
    (b"\x28\xb5\x2f\xfd", "compressed by Zstandard", "unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it first"),
    (b"Rar!", "a RAR archive", "unpack it first"),
    (b"\x89HDF", "an HDF5 file, as Keras writes", "save the weights with PyTorch"),
    (b"\x93NUMPY", "a NumPy array, which has no name", "save the weights by name, with PyTorch"),
)
"""Beginnings of files that stand where weights should, what these are, and what to do."""


class Kind(enum.Enum):
    """How weights are stored."""

    SAFETENSORS = "a safetensors file"
    TORCH = "a PyTorch file"
    PICKLE = "a pickle"


def kind_of(path: Path, expected: str = "a checkpoint") -> Kind:
    """The kind of a weights file. What is told by no sign is taken for a pickle, the one kind that needs none.

    Args:
        path: of the file.
        expected: what it should be, for messages.

    Raises:
        CheckpointError: for what is no file or empty, and for files that are known to hold no weights; with what to do.
    """

    def refusal(what: str, advice: str) -> CheckpointError:
        return CheckpointError(f"{path}: {what}, expected {expected}; {advice}")

    if path.is_dir():
        files = sorted(each.name for each in path.iterdir() if each.is_file())
        listed = f", which holds {', '.join(files[:3])}{', …' if len(files) > 3 else ''}" if files else ""
        raise refusal("a folder", f"give the path of a file in it{listed}")
    if not path.is_file():
        raise CheckpointError(f"{path}: no such weights file; give the path of {expected}")
    try:
        with path.open("rb") as file:
            start = file.read(600)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror or error}); expected {expected}") from error
    if not start:
        raise refusal("an empty file", _AGAIN)
    for sign, what, advice in _NO_WEIGHTS:
        if start.startswith(sign):
            raise refusal(what, advice)
    part = re.search(r"-(\d+)-of-(\d+)\.\w+$", path.name)
    if b'"weight_map"' in start or (part and int(part[2]) > 1):
        what = "one of the files" if part else "a list of the files"
        save = (
            "torch.save({k: v for each in FILES for k, v in safetensors.torch.load_file(each).items()}, 'weights.pth')"
        )
        raise refusal(f"{what} that hold a network's weights together", f"join them: {save}")
    if start[257:262] == b"ustar":
        raise refusal("a tar archive", "unpack it first")
    if _LEGACY_TORCH in start[:40]:
        return Kind.TORCH
    if start.startswith(b"PK\x03\x04"):
        try:
            with zipfile.ZipFile(path) as archive:
                names = archive.namelist()
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise refusal(f"not a readable PyTorch file, so damaged or cut short ({error})", _AGAIN) from error
        if any(name.endswith("/constants.pkl") for name in names):
            save = f"torch.save(torch.jit.load({str(path)!r}).state_dict(), 'weights.pth')"
            raise refusal("a TorchScript program", f"where you trust it, save its weights alone: {save}")
        if not any(name.endswith("data.pkl") for name in names):
            inside = ", ".join(names[:3])
            raise refusal(f"a zip archive (it holds {inside})", "unpack it and give the weights file that is in it")
        return Kind.TORCH
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") < 1 << 32:
        return Kind.SAFETENSORS
    if start.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        raise refusal(
            "a web page",
            "the server has sent a page or an error in place of the file: download it again, by its address",
        )
    return Kind.PICKLE


def looks_like_text(path: Path) -> str:
    """The first line of a text file, shortened; "" for other files."""
    with path.open("rb") as file:
        start = file.read(400)
    try:
        text = start.decode("ascii")
    except UnicodeDecodeError:
        return ""
    return text.strip().splitlines()[0][:60] if text.replace("\n", "").replace("\t", "").isprintable() else ""
