"""Every algorithm of the table trains, and the pages in docs are what the code writes."""

from __future__ import annotations

import pytest

from ada3d_gym.experiments.compatibility import CASES, PAGE, Case, page
from ada3d_gym.experiments.environment_docs import FOLDER, pages
from ada3d_gym.observers import Observation

ATTEMPTS = [
    pytest.param(case, shown, id=f"{case.algorithm}-{shown}", marks=() if shown == "features" else pytest.mark.slow)
    for case in CASES
    if case.attempt
    for shown in case.observations
]


@pytest.mark.parametrize(("case", "shown"), ATTEMPTS)
def test_the_algorithm_trains(case: Case, shown: Observation):
    assert case.attempt is not None
    assert case.attempt(shown).num_timesteps >= 64


def test_the_table_in_the_docs_is_this_one():
    assert PAGE.read_text() == page()


@pytest.mark.parametrize("name", pages())
def test_an_environments_page_is_what_its_docstrings_say(name: str):
    text = pages()[name]
    assert (FOLDER / name).read_text() == text
    for part in ("Observation", "Action", "Reward", "Episode", "Info", "Arguments", "Versions"):
        assert f"## {part}\n" in text
