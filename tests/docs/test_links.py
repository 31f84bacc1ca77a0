"""Every relative link in README.md, CONTRIBUTING.md, CHANGELOG.md and docs/ leads to a file, and to a heading of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.processes import ROOT

PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted(path for path in (ROOT / "docs").rglob("*.md") if "_build" not in path.parts),
]
DEEPEST = 4  # heading that the site gives an anchor: myst_heading_anchors in docs/conf.py

_FENCE = re.compile(r"^(\s*)(```+|~~~+).*?^\s*\2`*\s*$", re.DOTALL | re.MULTILINE)
_SPAN = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)", re.DOTALL)
_LINK = re.compile(r"\]\(\s*<?([^()\s<>]*(?:\([^()\s]*\)[^()\s<>]*)*)>?(?:\s+\"[^\"]*\")?\s*\)")
_HEADING = re.compile(r"^(#+) +(.+?)(?: +#+)?$", re.MULTILINE)
_INCLUDE = re.compile(r"^```\{include\} (\S+)$", re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path):
    wrong = [link for link in _links(page) if not _leads_somewhere(page, link)]
    assert not wrong, f"{page.relative_to(ROOT)}: no such file or heading: {', '.join(wrong)}"


def test_anchors_are_those_of_github():
    text = "# A `code_b`, *and* [a link](x.md)!\n## Same\n## Same\n```\n# no heading\n```\n### Größe: 50 % - of it\n"
    assert _slugs(text) == {"a-code_b-and-a-link", "same", "same-1", "größe-50----of-it"}


def _links(page: Path) -> Iterator[str]:
    """Targets of links and images that are not addresses."""
    prose = _SPAN.sub("`", _FENCE.sub("", page.read_text("utf-8")))
    return (link[1] for link in _LINK.finditer(prose) if not re.match(r"[a-z]+:", link[1]))


def _leads_somewhere(page: Path, link: str) -> bool:
    name, _, anchor = link.partition("#")
    target = (page.parent / name).resolve() if name else page
    return target.exists() and (not anchor or (target.suffix == ".md" and anchor in _anchors(target)))


@cache
def _anchors(page: Path) -> set[str]:
    """Of a page's headings, and of those of the files that it includes."""
    text = page.read_text("utf-8")
    included = [(page.parent / name).resolve() for name in _INCLUDE.findall(text)]
    return _slugs(text).union(*map(_anchors, included))


def _slugs(text: str) -> set[str]:
    slugs: set[str] = set()
    for level, title in _HEADING.findall(_FENCE.sub("", text)):
        plain = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", title)
        slug = first = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        number = 0
        while slug in slugs:
            number += 1
            slug = f"{first}-{number}"
        if len(level) <= DEEPEST:
            slugs.add(slug)
    return slugs
