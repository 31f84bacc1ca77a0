"""The blocks of Python in a page of the docs (cells in its tutorials), run in order as if typed into one session."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.processes import ROOT

_BLOCK = re.compile(r"^```(?:\{code-cell\} )?python\n(.*?)^```$", re.DOTALL | re.MULTILINE)

SHORTER = {
    r"\.learn\(\d[\d_]+": ".learn(64",
    r"num_envs=64\b": "num_envs=4",
    r"\bmake(_sb3)?_vec\((\s*\"[^\"]+\"), 64\b": r"make\1_vec(\2, 4",
}
"""What is put in the place of numbers that take minutes, on every page."""


@dataclass(frozen=True)
class Block:
    """One block.

    Attributes:
        page: the file that it stands in.
        line: of its first line in that file.
        code: as it stands there.
    """

    page: Path
    line: int
    code: str

    def run(self, names: dict[str, Any], changes: dict[str, str] | None = None) -> None:
        """Runs it, shortened, with the names that earlier blocks have left; errors name the page's lines.

        Args:
            names: what is defined so far, which it adds to.
            changes: further patterns and what to put in their place.
        """
        code = self.code
        for pattern, instead in (SHORTER | (changes or {})).items():
            code = re.sub(pattern, instead, code)
        compiled = compile("\n" * (self.line - 1) + code, str(self.page), "exec")
        exec(compiled, names)


def pages() -> dict[str, list[Block]]:
    """The blocks of README.md and of every page of docs/ that has any, by the page's name."""
    paths = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return {path.relative_to(ROOT).as_posix(): found for path in paths if (found := _blocks(path))}


def _blocks(path: Path) -> list[Block]:
    text = path.read_text("utf-8")
    return [Block(path, text[: found.start(1)].count("\n") + 1, found[1]) for found in _BLOCK.finditer(text)]
