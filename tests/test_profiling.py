"""Time is shared out among sections and phases without being counted twice, and none of it is lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from ada3d_gym import profiling
from ada3d_gym.memory import peak_memory
from ada3d_gym.profiling import phase, recorded, recording, section, timed


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def passes(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    made = Clock()
    monkeypatch.setattr(profiling, "perf_counter", made)
    yield made


def test_nothing_is_recorded_unless_somebody_asks():
    with section("decoding"), phase("agent"):
        assert recorded() is None
    with recording() as profile:
        assert recorded() is profile
    assert recorded() is None
    assert [*profile.phases] == ["setup"]


def test_a_section_has_its_own_time_and_that_of_the_sections_inside(clock: Clock):
    with recording() as profile:
        clock.passes(1)
        with section("classifier", clips=4):
            clock.passes(2)
            with section("transfer"):
                clock.passes(4)
            clock.passes(8)
        with section("classifier", clips=3):
            clock.passes(16)
    found = profile.as_dict()["setup"]
    sections = found["sections"]
    assert {name: each["seconds"] for name, each in sections.items()} == {"other": 1, "classifier": 26, "transfer": 4}
    assert (sections["classifier"]["whole_seconds"], sections["transfer"]["whole_seconds"]) == (30, 4)
    assert (sections["classifier"]["times"], sections["classifier"]["clips"]) == (2, 7)
    assert found["seconds"] == 31


def test_a_section_within_its_like_is_counted_once(clock: Clock):
    with recording() as profile, section("decoding"):
        clock.passes(1)
        with section("decoding"):
            clock.passes(2)
    spent = profile.as_dict()["setup"]["sections"]["decoding"]
    assert (spent["seconds"], spent["whole_seconds"], spent["times"]) == (3, 3, 2)


def test_a_phase_within_another_is_none_of_its_time(clock: Clock):
    with recording() as profile:
        with phase("agent"):
            with section("classifier updates"):
                clock.passes(1)
            with phase("judged"), section("classifier"):
                clock.passes(2)
            clock.passes(4)
        with phase("agent"):
            clock.passes(8)
    found = profile.as_dict()
    assert {name: each["seconds"] for name, each in found.items()} == {"setup": 0, "agent": 13, "judged": 2}
    assert found["agent"]["sections"]["other"]["seconds"] == 12


def test_what_is_open_is_told_as_far_as_it_is_and_not_twice(clock: Clock):
    with recording() as profile, phase("agent"):
        clock.passes(1)
        with section("policy updates", clips=2), section("transfer"):
            clock.passes(2)
            halfway = profile.as_dict()["agent"]["sections"]
            clock.passes(4)
    after = profile.as_dict()["agent"]["sections"]
    assert {name: each["seconds"] for name, each in halfway.items()} == {
        "transfer": 2,
        "policy updates": 0,
        "other": 1,
    }
    assert {name: each["seconds"] for name, each in after.items()} == {"transfer": 6, "policy updates": 0, "other": 1}
    assert (after["policy updates"]["whole_seconds"], after["policy updates"]["clips"]) == (6, 2)
    assert after["policy updates"]["times"] == 1


def test_news_are_what_came_since_the_last(clock: Clock):
    with recording() as profile, section("selection"):
        clock.passes(1)
        assert profile.news() == {"selection": 1, "other": 0}
        clock.passes(2)
        assert profile.news() == {"selection": 2, "other": 0}


def test_other_threads_are_counted_beside_the_time_by_the_clock(clock: Clock):
    inside, go_on = threading.Event(), threading.Event()

    def work() -> None:
        with section("decoder", clips=5):
            inside.set()
            assert go_on.wait(60)

    with recording() as profile:
        thread = threading.Thread(target=work)
        thread.start()
        assert inside.wait(60)
        clock.passes(3)
        go_on.set()
        thread.join(60)
    found = profile.as_dict()["setup"]
    assert (found["threads"]["decoder"]["seconds"], found["threads"]["decoder"]["clips"]) == (3, 5)
    assert {name: each["seconds"] for name, each in found["sections"].items()} == {"other": 3}


def test_a_thread_may_go_on_when_the_recording_has_ended():
    inside, go_on = threading.Event(), threading.Event()
    failed: list[BaseException] = []

    def work() -> None:
        try:
            with section("decoder"):
                inside.set()
                assert go_on.wait(60)
            with section("decoder"):
                pass
        except BaseException as error:
            failed.append(error)

    with recording():
        thread = threading.Thread(target=work)
        thread.start()
        assert inside.wait(60)
    go_on.set()
    thread.join(60)
    assert not failed


def test_an_error_closes_what_it_leaves(clock: Clock):
    with recording() as profile:
        with pytest.raises(KeyError), phase("agent"), section("classifier"):
            clock.passes(1)
            raise KeyError
        clock.passes(2)
    found = profile.as_dict()
    assert (found["agent"]["seconds"], found["setup"]["sections"]["other"]["seconds"]) == (1, 2)


def test_a_function_can_be_a_section(clock: Clock):
    @timed("selection", counted=1)
    def act(name: str, clips: np.ndarray) -> int:
        """Says something."""
        clock.passes(1)
        return len(clips)

    assert (act("unrecorded", np.zeros(3)), act.__doc__) == (3, "Says something.")
    with recording() as profile:
        act("recorded", np.zeros(2))
    spent = profile.as_dict()["setup"]["sections"]["selection"]
    assert (spent["seconds"], spent["clips"]) == (1, 2)


def test_the_most_memory_of_the_process_is_known():
    before = peak_memory()
    held = np.ones(2**25)
    assert peak_memory() >= max(before, held.nbytes)
    with recording() as profile:
        pass
    assert profile.as_dict()["setup"]["peak_memory"] >= held.nbytes


def test_a_gpu_is_waited_for_where_the_recording_threads_sections_begin_and_end(monkeypatch: pytest.MonkeyPatch):
    waits: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "synchronize", waits.append)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 7)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: None)

    def work() -> None:
        with section("decoder"):
            pass

    with recording("cuda:1") as profile:
        begun = len(waits)
        with section("classifier"):
            pass
        assert len(waits) == begun + 2
        thread = threading.Thread(target=work)
        thread.start()
        thread.join(60)
        assert len(waits) == begun + 2
    assert set(waits) == {torch.device("cuda:1")}
    assert profile.phases["setup"].peak_gpu_memory == 7
