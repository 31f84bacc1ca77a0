"""The report of a start: one HTML page that opens from a file and asks for nothing."""

from __future__ import annotations

import shlex
from base64 import b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup

from ada3d_gym import __version__
from ada3d_gym.experiments.benchmark.page import STYLE, table_html
from ada3d_gym.experiments.own.choosing import Policy
from ada3d_gym.experiments.own.collecting import Found, Split
from ada3d_gym.experiments.own.findings import Answers, Findings, gather, wilson
from ada3d_gym.experiments.own.pictures import front, right_ones, sheets, wrong_ones
from ada3d_gym.experiments.own.proposal import Proposal
from ada3d_gym.experiments.own.runs import LEARNED, Runs
from ada3d_gym.experiments.own.survey import Survey
from ada3d_gym.experiments.own.warnings import warnings_of
from ada3d_gym.experiments.results import Result
from ada3d_gym.experiments.tables import columns
from ada3d_gym.files import replacing
from ada3d_gym.video.records import shown

SHOWN = ("reward", "gmacs", "gmacs_selection", "gmacs_total", "milliseconds", "frames", "stages", "distinct_masks")


def write_report(
    path: Path,
    runs: Runs,
    surveyed: Survey,
    splits: Mapping[Split, Sequence[Found]],
    proposal: Proposal,
    results: Mapping[str, Result],
) -> list[str]:
    """Writes the page; returns what is to be said at the end of the command.

    Args:
        path: of the page.
        runs: finished ones.
        surveyed: what the folder holds.
        splits: the videos of each.
        proposal: the settings, with reasons.
        results: of each method.

    Raises:
        OutputError: where it cannot be written.
    """
    found = gather(runs, results)
    numbers = _numbers(found)
    predict = shlex.join(["ada3d", "predict", str(runs.model), "VIDEO"])
    told = warnings_of(found, surveyed)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=jinja2.StrictUndefined
    )
    page = environment.get_template("report.html").render(
        title=f"Ada3D on {shown(surveyed.collection.folder.name)}",
        style=STYLE,
        summary=_summary(found),
        numbers=numbers,
        warnings=told,
        table=lambda rows: Markup(table_html(*rows)),
        methods=_methods(found),
        methods_note=(
            "Upper keeps everything. Fixed is the constant mask that pays best. Fixed FT are constants within Ada3D's "
            "operations and at its accuracy, with the network fine-tuned under them as long as Ada3D's. Stage 1 is the "
            "policy beside the network as it was. Operations and time of a clip count the selection network; decoding "
            "is not in them. Reward is under the penalty that the policy was trained with."
        ),
        policies=_policies(runs.policies),
        front=_base64(front(found)),
        by_class=_by_class(found),
        by_class_note="Intervals are Wilson's, 95 %. Frames and stages are means over Ada3D's clips.",
        class_names=[shown(name) for name in surveyed.class_names],
        confusion=_confusion(found.learned, len(surveyed.class_names)),
        colour=_colour,
        right=_sheets(found, right_ones(found)),
        wrong=_sheets(found, wrong_ones(found)),
        next=_next(runs, predict),
        survey="\n".join(surveyed.lines()),
        splits="; ".join(f"{split}: {len(videos)} videos" for split, videos in splits.items()),
        problems=[f"{each.cause}: {shown(each.path)} ({each.detail})" for each in surveyed.problems],
        settings=(["setting", "value", "why"], [[c.name, str(c.value), c.reason] for c in proposal.choices]),
        made_with=f"ada3d-gym {__version__}, seed {runs.seed}. The same by hand: {runs.command()}",
    )
    with replacing(path, "choose another --output") as part:
        part.write_text(page, "utf-8")
    found.bandit.source.close()
    said = [f"warning: {each}" for each in told]
    return [*said, "", f"report: {path}", *(f"{name}: {value}" for name, value in numbers), f"predict: {predict}"]


def _numbers(found: Findings) -> list[tuple[str, str]]:
    """The three that matter."""
    accuracy = [
        f"{found.results[name].top1:.1f} % ({low:.0f} to {high:.0f})"
        for name in ("Upper", LEARNED)
        for low, high in [found.interval(name)]
    ]
    time = "" if found.time_saved is None else f", {100 * found.time_saved:.0f} % of the time"
    return [
        ("test videos right, everything kept", accuracy[0]),
        ("test videos right, Ada3D", accuracy[1]),
        ("saved by Ada3D, selection network counted", f"{100 * found.saved:.0f} % of the operations{time}"),
    ]


def _summary(found: Findings) -> str:
    upper, learned = found.results["Upper"], found.results[LEARNED]
    name, top1 = found.best_rival
    return (
        f"Of {found.videos} test videos, the whole 3D network is right on {upper.top1:.1f} %, and with the masks that "
        f"Ada3D chooses for each clip on {learned.top1:.1f} %. Ada3D keeps {learned.frames:.1f} of "
        f"{found.u.shape[1]} frames and {learned.stages:.1f} of {found.v.shape[1]} 3D stages on average. The best mask "
        f"that is the same for all clips, within the same operations ({name}), is right on {top1:.1f} %."
    )


def _methods(found: Findings) -> tuple[list[str], list[list[str]]]:
    results = found.results
    of = [column for column in columns(results.values()) if column.key in SHOWN]
    rows = []
    for method, result in results.items():
        low, high = found.interval(method)
        values = [(column.of(result), column) for column in of]
        shown_values = ["" if value is None else f"{value * c.scale:.{c.digits}f}" for value, c in values]
        rows.append([method, f"{result.top1:.1f}", f"{low:.0f} to {high:.0f}", *shown_values])
    return ["", "right, %", "95 %", *(column.header for column in of)], rows


def _by_class(found: Findings) -> tuple[list[str], list[list[str]]]:
    rows = []
    of = found.results[LEARNED].by_class
    for label, name in enumerate(found.bandit.source.class_names):
        its = found.upper.labels == label
        if not its.any():
            continue
        cells = [_share(answers.right[its]) for answers in (found.upper, found.learned)]
        usage = of.get(name, {})
        kept = [f"{usage[key]:.1f}" if key in usage else "" for key in ("frames", "stages")]
        rows.append([shown(name), str(int(its.sum())), *cells, *kept])
    return ["class", "test videos", "Upper right, %", "Ada3D right, %", "frames kept", "stages 3D"], rows


def _policies(tried: Sequence[Policy]) -> tuple[list[str], list[list[str]]]:
    rows = [
        [
            f"{each.gamma:g}",
            f"{each.upper.clip_top1:.1f}",
            f"{each.result.clip_top1:.1f}",
            f"{1e3 * each.result.gmacs_total:.1f}",
        ]
        for each in tried
    ]
    return ["gamma", "Upper right, %", "Ada3D right, %", "total MMACs"], rows


def _share(right: np.ndarray[Any, np.dtype[np.bool_]]) -> str:
    low, high = wilson(int(right.sum()), len(right))
    return f"{100 * right.mean():.0f} ({low:.0f} to {high:.0f})"


def _confusion(answers: Answers, classes: int) -> list[list[tuple[int, float]]]:
    """(count, share of the class) of each answer to each class."""
    counts = answers.confusion(classes)
    return [[(int(count), count / max(row.sum(), 1)) for count in row] for row in counts]


def _colour(share: float, right: bool) -> str:
    red, green, blue = (46, 125, 50) if right else (198, 40, 40)
    return f"rgba({red}, {green}, {blue}, {0.55 * share:.2f})"


def _next(runs: Runs, predict: str) -> list[tuple[str, str]]:
    return [
        ("Answers for new videos, how much was computed for each, and what that saved:", predict),
        ("Whether the whole network would have said the same, and how much time was saved:", f"{predict} --upper"),
        (
            "A folder to carry, with a model card and ONNX graphs (these need the extra 'export'):",
            shlex.join(["ada3d", "export", str(runs.model), "FOLDER"]),
        ),
    ]


def _sheets(found: Findings, videos: Sequence[int]) -> str:
    return _base64(sheets(found, videos)) if videos else ""


def _base64(data: bytes) -> str:
    return b64encode(data).decode()
