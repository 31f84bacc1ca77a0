"""The paper's figures beside ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import tyro
from tabulate import tabulate

from ada3d_gym import launched
from ada3d_gym.datasets import VIDEO_SETS
from ada3d_gym.experiments.figures import Metric, score_of
from ada3d_gym.experiments.intervals import interval
from ada3d_gym.experiments.paper.lists import LEARNED, PaperRuns
from ada3d_gym.experiments.paper.options import DEFAULTS, PaperOptions
from ada3d_gym.experiments.paper.published import TITLES, PaperRow, published
from ada3d_gym.experiments.plan import Row
from ada3d_gym.experiments.results import Result
from ada3d_gym.experiments.tables import Found, table, write_json


@dataclass(frozen=True)
class Section:
    """A table, or a part of one.

    Attributes:
        title: what is shown.
        rows: of each row, its runs, one a seed.
        printed: what the paper calls those of the rows that it has, too.
        beside: which of the paper's rows belong to it.
    """

    title: str
    rows: Mapping[str, Sequence[Row]]
    printed: Mapping[str, str]
    beside: Callable[[PaperRow], bool]


Table = Callable[[PaperRuns], list[Section]]
"""Asks for the runs of a table."""


def table_command(make: Table) -> Callable[[PaperOptions], None]:
    """The command that trains what a table is made of, and prints it."""

    def command(options: tyro.conf.OmitArgPrefixes[PaperOptions] = DEFAULTS) -> None:
        """Trains what is missing and prints the table.

        Args:
            options: what is reproduced, on what and where.
        """
        options.check()
        runs = PaperRuns(options)
        sections = make(runs)
        runs.finish()
        show(sections, runs)

    return command


def show(sections: Sequence[Section], runs: PaperRuns) -> None:
    """Prints sections, and writes them as JSON where that is asked for."""
    found = {section.title: found_in(section, runs) for section in sections}
    for section in sections:
        print("\n" + text(section, found[section.title], runs.options.dataset))
    if runs.options.json is not None and launched.is_first():
        write_sections(runs.options.json, found)


def write_sections(path: Path, found: Mapping[str, Found]) -> None:
    """All sections' rows and results, as `experiments.tables.write_json` has it."""
    everything = {f"{title}: {row}": results for title, rows in found.items() for row, results in rows.items()}
    write_json(path, everything, {title: {row: f"{title}: {row}" for row in rows} for title, rows in found.items()})


def found_in(section: Section, runs: PaperRuns) -> dict[str, list[Result]]:
    """The results of a section's finished runs, by row."""
    rows = {
        name: [Result(**asdict(row.result) | {"method": name}) for row in runs.done(members)]
        for name, members in section.rows.items()
    }
    return {name: results for name, results in rows.items() if results}


def text(section: Section, found: Found, dataset: str) -> str:
    """A section in Markdown: all of our figures, then what the paper has of them, beside ours."""
    if not found:
        return f"{section.title}\n\nnothing is finished yet: other processes work on it"
    lines = [section.title, "", table(found, "github", count=True)]
    rows = [row for row in published(None) if section.beside(row)]
    if {row.method for row in rows}.isdisjoint(section.printed.get(name, name) for name in found):
        rows = []
    beside = "Beside the paper: score" if rows else "Score"
    lines += ["", f"{beside} (difference to Upper), operations as a share of Upper's", ""]
    lines.append(_beside(section, found, dataset, rows))
    if (learned := found.get(LEARNED)) and (told := families_text(learned)):
        lines += ["", f"What {LEARNED} keeps", "", told]
    return "\n".join(lines)


def families_text(results: Sequence[Result]) -> str:
    """What a method keeps of the clips of each family of classes, where the videos have families; else nothing."""
    keys = {"top1": "clip top-1", "frames": "# frames", "stages": "# 3D"}
    rows = [
        [family, *(interval([result.by_family[family][key] for result in results], 1) for key in keys)]
        for family in results[0].by_family
    ]
    if not rows:
        return ""
    lines = [str(tabulate(rows, ["family", *keys.values()], tablefmt="github", disable_numparse=True))]
    for name, what in (("visible_kept", "kept frames"), ("visible_chance", "all frames")):
        shares = [share for result in results if (share := getattr(result, name)) is not None]
        if shares:
            lines.append(f"of clips that show their class in some frames only, {interval(shares, 1)} % of {what} do")
    return "\n\n".join(lines)


def _beside(section: Section, found: Found, dataset: str, rows: Sequence[PaperRow]) -> str:
    own = TITLES.get(dataset)
    titles = list(dict.fromkeys(row.dataset for row in rows))
    if own in titles:
        titles = [own]
    metric = metric_of(dataset)
    headers = ["", f"ours, {metric}", *(f"paper, {title}, {_metric(rows, title)}" for title in titles)]
    lines = []
    for name, results in found.items():
        cells = [_ours(results, found.get("Upper", ()), metric)]
        for title in titles:
            cells.append(_theirs([row for row in rows if row.dataset == title], section.printed.get(name, name)))
        lines.append([name, *cells])
    return str(tabulate(lines, headers, tablefmt="github", disable_numparse=True))


def metric_of(dataset: str) -> Metric:
    """What the paper reports of a data set."""
    return "mAP" if dataset in VIDEO_SETS and VIDEO_SETS[dataset].metric == "mAP" else "top-1"


def _metric(rows: Sequence[PaperRow], title: str) -> str:
    return next(row.metric for row in rows if row.dataset == title).replace("top1", "top-1")


def _ours(results: Sequence[Result], upper: Sequence[Result], metric: Metric) -> str:
    scores = [score_of(result, metric) for result in results]
    shown = interval(scores, 1)
    if not upper:
        return shown
    reached = sum(score_of(each, metric) for each in upper) / len(upper)
    spent = sum(each.gmacs_total for each in upper) / len(upper)
    ours = sum(each.gmacs_total for each in results) / len(results)
    return f"{shown} ({_signed(sum(scores) / len(scores) - reached)}) at {100 * ours / spent:.0f} %"


def _theirs(rows: Sequence[PaperRow], method: str) -> str:
    upper = next((row for row in rows if row.method == "Upper"), None)
    row = next((row for row in rows if row.method == method), None)
    if row is None:
        return ""
    shown = f"{row.score:.1f}"
    if upper is not None:
        shown += f" ({_signed(row.score - upper.score)})"
        if row.gflops_per_clip and upper.gflops_per_clip:
            shown += f" at {100 * row.gflops_per_clip / upper.gflops_per_clip:.0f} %"
    return shown


def _signed(number: float) -> str:
    return "0.0" if abs(number) < 0.05 else f"{number:+.1f}"
