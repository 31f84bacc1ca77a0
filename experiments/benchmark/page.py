"""A report as one HTML page, which opens from a file: it asks for nothing, not even a script."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from html import escape
from pathlib import Path

from ada3d_gym.experiments.benchmark.pictures import Picture
from ada3d_gym.experiments.benchmark.tables import Table

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; background: #fff;
  margin: 2rem auto; max-width: 76rem; padding: 0 1rem }
h1 { font-size: 1.6rem } h2 { font-size: 1.15rem; margin-top: 2.5rem }
.wide { overflow-x: auto }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums }
th, td { padding: .2rem .6rem; text-align: right; white-space: nowrap; border-bottom: 1px solid #ddd }
th:first-child, td:first-child { text-align: left }
td.heading { text-align: left; font-weight: 600; background: #f3f3f3 }
img { max-width: 100%; height: auto }
p.note, figcaption { color: #555; font-size: .85rem; margin: .3rem 0; max-width: 60rem }
figure { margin: 1.5rem 0 }
"""


def page(title: str, about: Sequence[str], tables: Sequence[Table], pictures: Sequence[Picture], folder: Path) -> str:
    """The whole page.

    Args:
        title: of the report.
        about: sentences below it.
        tables: all of them; the pictures stand after the first one.
        pictures: whose SVG files lie in the folder; they are written into the page.
        folder: of the pictures.
    """
    first, *others = map(_table, tables)
    parts = [first, *(_picture(each, folder) for each in pictures), *others]
    told = "\n".join(f"<p>{escape(each)}</p>" for each in about)
    body = "\n".join(parts)
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{escape(title)}</title>\n'
        f"<style>{STYLE}</style>\n</head>\n<body>\n<h1>{escape(title)}</h1>\n{told}\n{body}\n</body>\n</html>\n"
    )


def _table(table: Table) -> str:
    notes = "\n".join(f'<p class="note">{escape(note)}</p>' for note in table.notes)
    return f"<h2>{escape(table.title)}</h2>\n{table_html(table.headers, table.rows)}\n{notes}"


def table_html(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table as an element; a row of one cell is a heading."""
    header = "".join(f"<th>{escape(each)}</th>" for each in headers)
    body = "\n".join(f"<tr>{_cells(row, len(headers))}</tr>" for row in rows)
    return f'<div class="wide"><table>\n<thead><tr>{header}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div>'


def _cells(row: Sequence[str], width: int) -> str:
    if len(row) == 1:
        return f'<td class="heading" colspan="{width}">{escape(row[0])}</td>'
    return "".join(f"<td>{escape(each)}</td>" for each in [*row, *[""] * (width - len(row))])


def _picture(picture: Picture, folder: Path) -> str:
    """In an element of its own, so that the names inside of one SVG cannot meet those of another."""
    drawn = b64encode((folder / f"{picture.name}.svg").read_bytes()).decode()
    alt = escape(picture.title, quote=True)
    return (
        f'<figure><img alt="{alt}" src="data:image/svg+xml;base64,{drawn}">'
        f"<figcaption>{escape(picture.title)}</figcaption></figure>"
    )
