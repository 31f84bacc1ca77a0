"""A list of `path label` rows: PySlowFast's format, and that for one's own videos."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

from ada3d_gym.video.indexing.list_text import (
    LABEL,
    SEPARATOR,
    ListError,
    has_extension,
    not_utf8,
    read_lines,
    read_names,
    split_numbers,
    split_path,
    to_label,
    unquote,
)
from ada3d_gym.video.indexing.listing import Entry, Listing, numbered

ROW = "rows of 'path label' (the label an integer from 0, or a name that classes.txt holds)"
_PATH_TITLES = frozenset(
    ["path", "file", "filename", "file_name", "filepath", "file_path", "video", "video_path", "video_name", "name"]
)
_LABEL_TITLES = {"label", "labels", "class", "class_id", "class_index", "class_name", "category", "target", "label_id"}


def read(root: Path, split: str) -> Listing:
    """`train.csv`, `val.csv`, `test.csv` below the root, and `classes.txt` with one name a line where there is one.

    Without a test list, val stands in; without a val list but with a test list, there are no val videos.

    Paths are absolute or below the root, and may hold blanks. Blanks, tabs, commas or semicolons stand before the
    label, and quotes may stand around either. A header 'path,label' is skipped.
    """
    path = root / f"{split}.csv"
    if split == "test" and not path.exists():
        path = root / "val.csv"
    names = _names(root / "classes.txt")
    if split == "val" and not path.exists() and (root / "test.csv").exists():
        return Listing(numbered([], names), ())
    entries = []
    first = True
    for number, line in read_lines(path, f"a text file with {ROW}", raw_names=True):
        if not (first and _is_header(line, names)):
            video, text = _split(line, names)
            if not _is_text(line) and not (root / video).exists():
                raise not_utf8(path, ROW, number, line.encode(errors="surrogateescape").decode("latin-1"))
            label = names.get(_name(text))
            if label is None or re.fullmatch(LABEL, text):  # a number is never a name
                if not video or not re.fullmatch(LABEL, text):
                    raise ListError(path, ROW, number, text if video else line, _hint(line, text, names, first))
                label = to_label(text, path, number, ROW, len(names) or None)
            entries.append(Entry(video, (label,)))
        first = False
    if not entries:
        raise ListError(path, f"a text file with {ROW}", hint="there is only a header in it")
    return Listing(numbered(entries, names), tuple(entries))


def _names(path: Path) -> dict[str, int]:
    names: dict[str, int] = {}
    for name in read_names(path) if path.exists() else ():
        if name in names:
            raise ListError(path, "each class once", got=name)
        names[name] = len(names)
    return names


def _split(line: str, names: dict[str, int]) -> tuple[str, str]:
    """The path and the label of a row, either of which may be nonsense."""
    line = line.rstrip(" \t,;")
    if (parts := split_path(line)) and (_name(parts[1]) in names or re.fullmatch(LABEL, unquote(parts[1]))):
        return parts[0], unquote(parts[1])
    whole = not parts or re.search(r"[/\\]", parts[1])  # else the path has ended at an extension, and not in a folder
    if whole and (numbers := split_numbers(line, 1)):
        if (several := split_numbers(line)) and re.match(" *[\t,;]", line[len(several[0]) :]) and line[0] not in "\"'":
            return several[0], " ".join(several[1])
        return numbers[0], numbers[1][0]
    if parts:
        return parts[0], unquote(parts[1])
    for start in (match for match in re.finditer(SEPARATOR, line) if _name(line[match.end() :]) in names):
        return unquote(line[: start.start()]), unquote(line[start.end() :])
    video, _, label = re.sub(r"[\t,;]", " ", line).rpartition(" ")
    return video.strip(), unquote(label)


def _name(text: str) -> str:
    """A label as `read_names` has it."""
    return unicodedata.normalize("NFC", unquote(text))


def _is_header(line: str, names: dict[str, int]) -> bool:
    titles = [unquote(title).lower() for title in re.split(SEPARATOR, line)]
    return len(titles) == 2 and titles[0] in _PATH_TITLES and titles[1] in _LABEL_TITLES - names.keys()


def _is_text(line: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in line)


def _hint(line: str, text: str, names: dict[str, int], first: bool) -> str:
    """What a row may be that is none of ours."""
    if "youtube_id" in line:
        return "this looks like Kinetics' annotations, which 'index_videos kinetics' reads"
    if first and _LABEL_TITLES & {unquote(title).lower() for title in re.split(SEPARATOR, line)}:
        return "this looks like a header: take it out"
    if re.fullmatch(rf"(?:.*{SEPARATOR})?\d+{SEPARATOR}\d+|[^\t,;]+[\t,;].*", text):
        return "there are more than two columns; several labels take a data set of your own, see docs/videos.md"
    if has_extension(text):
        return "the label stands behind the path"
    if not re.search(r"[^\W\d_]", text):
        return ""
    return "classes.txt holds no such name" if names else "names of classes are labels once classes.txt holds them"
