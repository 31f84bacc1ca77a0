"""Which file a list's row means.

A row with a folder in it means the file at that place, counted from the root. A row with a bare name means the file of
that name, at the root or, where there is none, wherever below it. Entries of the public sets (`Entry.anywhere`) are
found in other folders too, as their names are unique. A video's extension may be another than the list's. Backslashes
count as slashes, and accents in one character or in two are the same.

What could be two files is left out, and so is what could have two labels: a guess would train on wrong labels.
"""

from __future__ import annotations

import os
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ada3d_gym.video.indexing.list_text import has_extension

if TYPE_CHECKING:
    from ada3d_gym.video.indexing.listing import Entry, Listing


@dataclass(frozen=True)
class Problem:
    """A listed video that the index leaves out."""

    path: str
    cause: str
    detail: str


def find_files(root: Path, entries: Sequence[Entry]) -> list[Path | None]:
    """The file of each entry, or None where there is none or it cannot be told which; `locate` says why."""
    files = _Files(root, entries)
    return [found if isinstance(found := files.find(entry), Path) else None for entry in entries]


def locate(root: Path, listings: Mapping[str, Listing]) -> dict[str, list[Path | Problem]]:
    """The file of each entry of each split, or why it has none.

    Problems are "missing", "ambiguous" (several files may be meant), "conflict" (rows give a file different labels, be
    it in different splits) and "duplicate" (an earlier row of the split has the file).
    """
    files = _Files(root, [entry for listing in listings.values() for entry in listing.entries])
    found = {split: [files.find(entry) for entry in listing.entries] for split, listing in listings.items()}
    rows: defaultdict[Path, list[tuple[str, int]]] = defaultdict(list)
    for split, places in found.items():
        for number, place in enumerate(places):
            if isinstance(place, Path):
                rows[place].append((split, number))
    for file, claims in rows.items():
        if len(claims) > 1:
            entries = [listings[split].entries[number] for split, number in claims]
            for (split, number), problem in zip(claims, _settle(file, claims, entries), strict=True):
                found[split][number] = problem or file
    return found


def _settle(file: Path, claims: list[tuple[str, int]], entries: list[Entry]) -> list[Problem | None]:
    """What is wrong with each of the rows that mean one file."""
    own = [_has_all_folders(file, entry) for entry in entries]
    taken = any(own)  # by a row that names its folders: a row with other folders means another file
    labels = sorted({tuple(sorted(entry.labels)) for entry, its in zip(entries, own, strict=True) if its or not taken})
    problems: list[Problem | None] = []
    seen = set()
    for (split, _), entry, its in zip(claims, entries, own, strict=True):
        if taken and not its:
            problem = Problem(entry.path, "missing", f"the only file of that name, {file}, is another row's")
        elif len(labels) > 1:
            several = " and ".join(" ".join(map(str, each)) for each in labels)
            problem = Problem(entry.path, "conflict", f"{file} is listed with the labels {several}")
        elif split in seen:
            problem = Problem(entry.path, "duplicate", f"an earlier row of {split} has {file}")
        else:
            problem = None
            seen.add(split)
        problems.append(problem)
    return problems


def _has_all_folders(file: Path, entry: Entry) -> bool:
    folders = _key(entry.path).strip("/").split("/")[:-1]
    return not entry.anywhere or _shared(_key(str(file)), folders) == len(folders)


class _Files:
    """The files below a root that may be those of some entries. What they are kept by has no video's extension."""

    def __init__(self, root: Path, entries: Iterable[Entry]):
        self._root = root
        places = {entry.path: self._place(entry.path) for entry in entries}
        wanted = {_stem(place.rpartition("/")[2]) for place in places.values()}
        searched = {places[entry.path] for entry in entries if entry.anywhere}
        self._names = Counter(_stem(place.rpartition("/")[2]) for place in searched)
        self._folders = {_folder(place) for place in searched} - {""}
        self._below: defaultdict[str, list[str]] = defaultdict(list)  # by "/place", "folder/name" and "name"
        for file in _walk(root):
            key = _stem(_key(file))
            name = key.rpartition("/")[2]
            if name in wanted:
                for each in {f"/{key}", f"{_folder(key)}/{name}", name}:
                    self._below[each].append(file)
        self._known: dict[tuple[str, bool], Path | Problem] = {}

    def find(self, entry: Entry) -> Path | Problem:
        """The file of an entry, or what keeps it from having one."""
        key = entry.path, entry.anywhere
        if key not in self._known:
            self._known[key] = self._find(*key)
        return self._known[key]

    def _find(self, path: str, anywhere: bool) -> Path | Problem:
        place = self._place(path)
        outside = place.startswith(("/", "../"))
        found = self._outside(path) if outside else self._at(f"/{place}")
        if not found and (anywhere or "/" not in _key(path)):
            found = self._search(place.strip("/").split("/"))
        if not found and os.path.isfile(self._root / path):
            found = [path]  # to this file system, upper and lower case are the same
        found = _distinct(self._root, found)
        if len(found) == 1:
            return self._root / found[0]
        if found:
            return Problem(path, "ambiguous", f"may be any of {', '.join(found[:3])}" + ", …" * (len(found) > 3))
        others = self._below.get(_stem(place.rpartition("/")[2]), ())
        hint = f"; {others[0]} has the name, but is not where the list says" if others else ""
        hint = "; it is a folder" if os.path.isdir(self._root / path) else hint
        return Problem(path, "missing", f"no such file{hint}")

    def _place(self, path: str) -> str:
        """A path from the root, or an absolute one if it lies outside."""
        key = os.path.normpath(_key(path))
        root = _key(str(self._root)).rstrip("/") + "/"
        return key.removeprefix(root)

    def _at(self, key: str) -> list[str]:
        """The files that are kept by a key: those with its extension or, where there is none, with any."""
        return _same_extension(self._below.get(_stem(key), ()), key)

    def _outside(self, path: str) -> list[str]:
        file = self._root / path
        if not os.path.isfile(file):
            file = self._root / path.replace("\\", "/")
        try:
            names = [each for each in os.listdir(file.parent) if _stem(_key(each)) == _stem(_key(file.name))]
        except OSError:
            return []
        files = [str(file.parent / name) for name in names if os.path.isfile(file.parent / name)]
        return _same_extension(files, _key(file.name))

    def _search(self, parts: list[str]) -> list[str]:
        """The files of the name that have most folders of the path, counted from the file up.

        Where several rows have the name, or a file lies in a folder that is another row's, the folder must be the
        row's own: walk/1.mp4 does not stand in for run/1.mp4.
        """
        *folders, name = parts
        if not folders:
            return self._at(name)
        own, stem = folders[-1], _stem(name)
        if self._names[stem] > 1:
            files = self._below.get(f"{own}/{stem}", [])
        else:
            files = [file for file in self._below.get(stem, ()) if self._may_be_in(_folder(_key(file)), own)]
        ranks = [_shared(_key(file), folders) for file in files]
        most = max(ranks, default=0)
        best = [file for file, rank in zip(files, ranks, strict=True) if rank == most]
        return _same_extension(best, name)

    def _may_be_in(self, folder: str, own: str) -> bool:
        return folder == own or folder not in self._folders


def _walk(root: Path) -> Iterable[str]:
    """The files below a root, from there; links to folders are followed, but not in circles."""
    for folder, folders, files in os.walk(root, followlinks=True):
        below = os.path.relpath(folder, root)
        for file in files:
            yield file if below == os.curdir else os.path.join(below, file)
        real = os.path.join(os.path.realpath(folder), "")
        folders[:] = [
            each
            for each in folders
            if not (os.path.islink(path := os.path.join(folder, each)))
            or not real.startswith(os.path.join(os.path.realpath(path), ""))
        ]


def _distinct(root: Path, files: Sequence[str]) -> list[str]:
    """The files, each once, though links may lead to it from several places."""
    if len(files) < 2:
        return list(files)
    return list({os.path.realpath(root / file): file for file in sorted(files, reverse=True)}.values())[::-1]


def _key(path: str) -> str:
    """What is the same of paths that are written in different ways."""
    return path.replace("\\", "/") if path.isascii() else unicodedata.normalize("NFC", path).replace("\\", "/")


def _folder(path: str) -> str:
    """The name of the folder that a file lies in, "" at the root."""
    return path.rpartition("/")[0].rpartition("/")[2]


def _shared(path: str, folders: Sequence[str]) -> int:
    """How many folders a file's path has in common with others, counted from the file up."""
    pairs = list(zip(reversed(path.split("/")[:-1]), reversed(folders), strict=False))
    return next((count for count, (one, other) in enumerate(pairs) if one != other), len(pairs))


def _stem(path: str) -> str:
    """A path without its extension, if that is a video's: the names of videos without one may hold dots."""
    return path.rpartition(".")[0] if has_extension(path) else path


def _same_extension(files: Sequence[str], name: str) -> list[str]:
    """Those of some files that have a name's extension, or all where none has."""
    name = name.rpartition("/")[2]
    return [file for file in files if _key(file).rpartition("/")[2] == name] or list(files)
