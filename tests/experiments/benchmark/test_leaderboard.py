"""The leaderboard's page: how it ranks, what it says of each submission, and that nothing refused enters it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from ada3d_gym.errors import InputError
from ada3d_gym.experiments.benchmark.checking import Checked, Checker
from ada3d_gym.experiments.benchmark.games import task_game
from ada3d_gym.experiments.benchmark.leaderboard import leaderboard_page, plain
from ada3d_gym.experiments.benchmark.submission import read_submission
from ada3d_gym.experiments.benchmark.submit import MaskRun, files_in
from ada3d_gym.experiments.benchmark.verify import verify
from tests.experiments.benchmark.submissions import GAME, TASK, flip_outcome, tampered, write
from tests.processes import ROOT

DOCS = ROOT / "docs"


def checked(*paths: Path) -> list[Checked]:
    check = Checker()
    return [check(path, read_submission(path)) for path in paths]


def test_the_page_ranks_by_reward_and_sets_full_information_apart(tmp_path: Path):
    best = GAME.oracle().masks
    constant = np.tile(task_game(TASK, "train").best_constant().mask, (len(GAME), 1))
    paths = [
        write(tmp_path / "chance.json", agent="chance", feedback="none"),
        write(tmp_path / "oracle.json", agent="oracle", feedback="full", runs=[MaskRun(best)]),
        write(tmp_path / "con stant.json", agent="constant", runs=[MaskRun(constant, seed) for seed in (3, 4)]),
    ]
    page = leaderboard_page(checked(*paths), tmp_path.parent)
    rows = [line.split("|") for line in page.partition("### ")[2].splitlines() if line.startswith("|")][2:]
    cells = [[cell.strip() for cell in row] for row in rows]
    assert [(row[1], row[2], row[5]) for row in cells][::2] == [
        ("1", "constant", "0.000"),
        ("", "oracle", "1.000"),
    ]
    assert cells[1][1:3] == ["2", "chance"]
    assert cells[0][12] == "2, 1 different"
    assert cells[0][13] == f"[masks]({tmp_path.name}/con%20stant.json)"
    with pytest.raises(InputError, match="are both of 'chance'"):
        leaderboard_page(checked(paths[0], write(tmp_path / "again.json", agent="chance", feedback="none")), tmp_path)


def test_no_page_is_written_where_one_file_is_refused(tmp_path: Path):
    good = write(tmp_path / "in" / "good.json")
    tampered(json.loads(good.read_text()), tmp_path / "in" / "bad.json", lambda own: flip_outcome(own, 3))
    page = tmp_path / "page.md"
    with pytest.raises(InputError, match=r"bad\.json, seed 0: clip 3 "):
        verify((tmp_path / "in",), table=True, leaderboard=page)
    assert not page.exists()
    (tmp_path / "in" / "bad.json").unlink()
    verify((tmp_path / "in",), table=True, leaderboard=page)
    assert "[masks](in/good.json)" in page.read_text()
    with pytest.raises(InputError, match="a spot check, without"):
        verify((tmp_path / "in",), clips=5, leaderboard=page)


@pytest.mark.parametrize("name", ["a|b", "[x](https://evil.example)", "`", "<b>", "*_~\\", "www.x.org", "ünï ✓", "$1$"])
def test_a_strange_name_does_not_break_the_table(tmp_path: Path, name: str):
    write(tmp_path / "s.json", agent=name, authors=name)
    page = leaderboard_page(checked(tmp_path / "s.json"), tmp_path)
    rows = [line for line in page.partition("### ")[2].splitlines() if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1
    assert plain(name) in page
    assert re.sub(r"\\(.)", r"\1", plain(name)) == name


def test_the_leaderboard_is_what_its_files_make():
    files = files_in([DOCS / "results" / "leaderboard"])
    held = checked(*files)
    assert leaderboard_page(held, DOCS) == (DOCS / "leaderboard.md").read_text()
    assert {"best-fixed", "random"} <= {one.submission.agent for one in held}
