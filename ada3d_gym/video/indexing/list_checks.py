"""What is suspicious of lists that can be used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Sized
from itertools import combinations
from pathlib import Path

from ada3d_gym.video.indexing.list_text import has_extension
from ada3d_gym.video.indexing.listing import Listing
from ada3d_gym.video.indexing.locating import Problem


def suspicions(listings: Mapping[str, Listing], files: Mapping[str, Sequence[Path | Problem]]) -> list[str]:
    """A sentence for each: files in two splits, files of other extensions than listed, labels that count from 1.

    Args:
        listings: of the splits "train", "val" and "test".
        files: of their entries, as `locate` returns them.
    """
    said = []
    found = {split: {file for file in each if isinstance(file, Path)} for split, each in files.items()}
    for one, other in combinations(listings, 2):
        same = [file for file in files[one] if file in found[other]]
        stands_in = other == "test" and listings["test"] == listings["val"]
        if same and not stands_in:
            said.append(f"{_count(same)} both in {one} and {other}, as {same[0]}")
    rows = [pair for split, listing in listings.items() for pair in zip(listing.entries, files[split], strict=True)]
    renamed = {
        file: entry.path
        for entry, file in rows
        if isinstance(file, Path) and has_extension(entry.path) and not entry.path.endswith(file.suffix)
    }
    if renamed:
        file, path = next(iter(renamed.items()))
        said.append(f"{_count(renamed)} of another extension than the list says, as {file} for {path}")
    if all(0 not in entry.labels for entry, _ in rows):
        said.append("no video has label 0: labels count from 0, and these may count from 1")
    return said


def _count(files: Sized) -> str:
    return f"{len(files)} {'file is' if len(files) == 1 else 'files are'}"
