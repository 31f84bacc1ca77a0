"""The text of lists: decoded, in lines and in columns, as people's tools write them."""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from ada3d_gym.errors import InputError

EXTENSIONS = (
    *("mp4", "mkv", "webm", "avi", "mov", "flv", "wmv", "mpg", "mpeg", "3gp", "m4v", "ts"),
    *("ogv", "mts", "m2ts", "f4v", "3g2", "asf", "vob"),
)
SEPARATOR = r"[ \t,;]+"
MOST_CLASSES = 100_000  # a larger "label" is a number of something else
LABEL = r"[+-]?\d+(?:\.0*)?"
LINE_END = r"\r\n|\n|\r"  # str.splitlines also splits at characters that names of files hold, as U+2028
_SPLIT_WORDS: dict[str, Literal["train", "val", "test"]] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validate", "validation"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
_VIDEO = re.compile(rf"\.(?:{'|'.join(EXTENSIONS)})(?=[ \t,;\"']|$)", re.IGNORECASE)
_NUMBER = rf'{SEPARATOR}"?[+-]?\d+(?:\.\d+)?"?'


class ListError(InputError):
    """A list that is missing or not in its format; the message names the file, the line and what was expected."""

    def __init__(self, path: Path, expected: str, line: int | None = None, got: str = "", hint: str = ""):
        where = f"{path}, line {line}" if line is not None else f"{path}"
        message = f"{where}: expected {expected}" + (f", got {got[:120]!r}" if got or line is not None else "")
        super().__init__(message + (f"; {hint}" if hint else ""))
        self.path, self.line = path, line


def read_text(path: Path, expected: str, *, raw_names: bool = False) -> str:
    """The text of a file in UTF-8, or in UTF-16 with a byte-order mark, as Excel and PowerShell write it.

    Args:
        path: of the file.
        expected: what the file should be, for the error if it is missing or is no text.
        raw_names: keep bytes that are not UTF-8 as `os.fsdecode` does, for the names of files that hold such.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ListError(path, f"{expected} ({error.strerror or error})") from error
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    if not utf16 and not raw_names:
        for number, line in enumerate(re.split(LINE_END.encode(), data), start=1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                raise not_utf8(path, expected, number, line.decode("latin-1")) from error
    try:
        text = data.decode("utf-16" if utf16 else "utf-8-sig", "strict" if utf16 else "surrogateescape")
    except UnicodeDecodeError as error:
        raise ListError(path, f"{expected} (not the UTF-16 text that its first bytes promise)") from error
    if "\0" in text:
        number = len(re.split(LINE_END, text[: text.index("\0")]))
        hint = "it holds NUL bytes, as UTF-16 without a byte-order mark does, or a damaged file: save it as UTF-8"
        raise ListError(path, expected, number, hint=hint)
    return text.removesuffix("\x1a")  # which ended files once


def not_utf8(path: Path, expected: str, line: int, got: str) -> ListError:
    """What is said of a line in another encoding."""
    hint = "this line is not UTF-8 (it may be Latin-1): save the list as UTF-8, as 'iconv -f latin1 -t utf-8' does"
    return ListError(path, expected, line, got, hint)


def read_lines(
    path: Path, expected: str, *, comments: bool = True, raw_names: bool = False
) -> Iterator[tuple[int, str]]:
    """Numbered lines of a text file that hold anything, without line ends, a byte-order mark or outer blanks.

    Args:
        path, expected, raw_names: see `read_text`.
        comments: leave out lines that begin with "#", unless they name a video file: such names exist.

    Raises:
        ListError: also where there is no such line.
    """
    empty = True
    for number, line in enumerate(re.split(LINE_END, read_text(path, expected, raw_names=raw_names)), start=1):
        line = line.strip(" \t")
        if line and not (comments and line.startswith("#") and not _VIDEO.search(line)):
            empty = False
            yield number, line
    if empty:
        raise ListError(path, expected, hint="there is no row in it")


def read_names(path: Path, expected: str = "class names, one a line") -> list[str]:
    """Names of classes, one a line; blank lines and those that begin with "#" and a blank do not count."""
    lines = (line for _, line in read_lines(path, expected, comments=False) if not re.match(r"#(?:[ \t]|$)", line))
    return [unicodedata.normalize("NFC", unquote(line.rstrip(" \t,;"))) for line in lines]


def unquote(text: str) -> str:
    """A field without the quotes that a CSV writer puts around it."""
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1].replace(text[0] * 2, text[0])
    return text


def split_path(line: str) -> tuple[str, str] | None:
    """A row as its path and the rest, where quotes or a video's extension say where the path ends; else None."""
    quoted = re.fullmatch(rf'"((?:[^"]|"")+)"{SEPARATOR}(.+)', line) or re.fullmatch(rf"'([^']+)'{SEPARATOR}(.+)", line)
    if quoted and not _VIDEO.search(quoted[2]):  # else the quotes belong to the name of the file
        return unquote(f"{line[0]}{quoted[1]}{line[0]}"), quoted[2]
    ends = [match.end() for match in _VIDEO.finditer(line) if line[match.end() :].startswith((" ", "\t", ",", ";"))]
    if ends and (rest := line[ends[-1] :].strip(" \t,;")):
        return line[: ends[-1]], rest
    return None


def split_numbers(line: str, count: int | None = None) -> tuple[str, list[str]] | None:
    """A row of a path and numbers, as its path and those, or None.

    Args:
        line: blanks, tabs, commas and semicolons separate; the path may hold them too.
        count: of the numbers; as many as there are, but at least two, by default.
    """
    line = line.rstrip(" \t,;")
    parts = split_path(line)
    if parts and re.fullmatch(f"(?:{_NUMBER})+", f" {parts[1]}"):
        path, numbers = parts[0], re.split(SEPARATOR, parts[1])
        if len(numbers) != count if count else len(numbers) < 2:
            return None
    else:
        pattern = rf"(.+)((?:{_NUMBER}){{{count}}})" if count else rf"(.+?)((?:{_NUMBER}){{2,}})"
        if not (match := re.fullmatch(pattern, line)):
            return None
        path, numbers = unquote(match[1].rstrip(" \t,;")), re.split(SEPARATOR, match[2])[1:]
    return path, [unquote(number) for number in numbers]


def to_label(text: str, path: Path, line: int, expected: str, classes: int | None = None) -> int:
    """A class index, or a ListError."""
    if not re.fullmatch(LABEL, text):
        raise ListError(path, expected, line, text)
    label = int(text.partition(".")[0])
    if not 0 <= label < (classes or MOST_CLASSES):
        limit = f"0 to {classes - 1}" if classes else "0 or more" if label < 0 else f"0 to {MOST_CLASSES - 1}"
        hint = "labels count from 0; these may count from 1" if label == classes else ""
        raise ListError(path, f"a label of {limit}", line, text, hint)
    return label


def has_extension(path: str) -> bool:
    """Whether a path ends in a video's extension."""
    stem, _, extension = path.rpartition(".")
    return bool(stem) and extension.lower() in EXTENSIONS


def to_split(word: str) -> Literal["train", "val", "test"] | None:
    """The split that a list's word for it means, or None."""
    return _SPLIT_WORDS.get(word.strip().lower())
