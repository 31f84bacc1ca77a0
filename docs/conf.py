"""How Sphinx builds the site from these pages: `make docs`."""

from __future__ import annotations

import re

from sphinx.application import Sphinx

from ada3d_gym import __version__

project = "ada3d-gym"
copyright = "the ada3d-gym authors"
release = version = __version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"ada3d-gym {version}"
html_static_path = ["static"]
html_css_files = ["site.css"]

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 4  # as GitHub's, which the pages' links name

# The tutorials are notebooks in Markdown: their code runs while the site is built, and an error fails the build.
nb_execution_mode = "auto"
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 1200  # seconds a cell
nb_merge_streams = True

suppress_warnings = ["ref.python"]  # names in types, such as num_frames, that several classes have
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_class_signature = "mixed"
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # attributes are documented where the class is, and not once more
copybutton_exclude = ".linenos, .gp, .go"
linkcheck_ignore = [r"https://arxiv\.org/"]  # it turns robots away

# Files that lie above docs/ in the repository, and the pages that show them here.
PAGES = {
    "../README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changes.md",
}
ELSEWHERE = ("CITATION.cff", "CODE_OF_CONDUCT.md", "SECURITY.md")  # that no page shows


def _rewrite(content: list[str]) -> None:
    content[0] = re.sub(r"^\|.*$", _unbroken, content[0], flags=re.MULTILINE)
    for file, page in PAGES.items():
        content[0] = re.sub(rf"\]\((\.\./)?{re.escape(file)}([)#])", rf"]({page}\2", content[0])
    for file in ELSEWHERE:
        content[0] = re.sub(rf"\[([^\]]+)\]\({re.escape(file)}\)", r"\1", content[0])


def _unbroken(row: re.Match[str]) -> str:
    """A table's row with no-break spaces before signs, so that cells are not wrapped within a number."""
    return re.sub(
        r"(?<=\d) ([±%])( (?=\d))?", lambda sign: f"\u00a0{sign[0].strip()}" + "\u00a0" * bool(sign[2]), row[0]
    )


def _split_names(lines: list[str]) -> None:
    """Gives each of several attributes that share a line of a docstring its own, which Sphinx expects."""
    for place, line in reversed(list(enumerate(lines))):
        if found := re.match(r":ivar (\w+(?:, \w+)+): (.*)", line):
            lines[place : place + 1] = [f":ivar {name}: {found[2]}" for name in found[1].split(", ")]


def setup(app: Sphinx) -> None:
    app.connect("source-read", lambda app, name, content: _rewrite(content))
    app.connect("autodoc-process-docstring", lambda app, what, name, obj, options, lines: _split_names(lines), 900)
    app.connect("include-read", lambda app, path, parent, content: _rewrite(content))
