"""The contact sheet shows what was kept and what came of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.wrappers import RecordVideo

from ada3d_gym.bandit import ClipBandit
from ada3d_gym.envs.env import Ada3DEnv
from ada3d_gym.envs.rendering import FRAME, GAP, TEXT, contact_sheet, stack_sheets


def tile(sheet: np.ndarray, frame: int) -> np.ndarray:
    left, top = GAP + frame * (FRAME + GAP), 2 * GAP + TEXT
    return sheet[top : top + FRAME, left : left + FRAME]


def outside(sheet: np.ndarray) -> np.ndarray:
    """The sheet with its frames painted over."""
    painted = sheet.copy()
    painted[2 * GAP + TEXT : 2 * GAP + TEXT + FRAME] = 0
    return painted


def sheet_of(bandit: ClipBandit, clip: int, u: str, v: str) -> np.ndarray:
    masks = tuple(np.array([bit == "1" for bit in part]) for part in (u, v))
    outcome = bandit.pull(np.array([clip]), masks[0][None], masks[1][None])
    return contact_sheet(bandit, clip, masks, outcome)


def test_dropped_frames_are_black_and_kept_ones_are_the_video(bandit: ClipBandit):
    for u in ("11111111", "10100110", "00000001", "00000000"):
        sheet = sheet_of(bandit, 9, u, "10001")
        assert sheet.dtype == np.uint8
        assert sheet.ndim == 3
        for frame, (bit, pixels) in enumerate(zip(u, bandit.source.full_size(9), strict=True)):
            shown = tile(sheet, frame)
            assert shown.any() == (bit == "1")
            if bit == "1":
                assert shown.mean((0, 1)) == pytest.approx(pixels.mean((0, 1)), abs=2)


def test_stages_and_outcome_are_on_the_sheet(bandit: ClipBandit):
    sheets = [outside(sheet_of(bandit, 9, "11111111", v)) for v in ("11111", "00000", "10000", "00001")]
    for i, one in enumerate(sheets):
        for other in sheets[:i]:
            assert not np.array_equal(one, other)
    bare = contact_sheet(bandit, 9)
    assert bare.shape == sheets[0].shape
    assert not np.array_equal(outside(bare), sheets[0])


def test_sheets_stack(bandit: ClipBandit):
    one, other = contact_sheet(bandit, 0), contact_sheet(bandit, 9)
    stacked = stack_sheets([one, other])
    assert np.array_equal(stacked[: len(one)], one)
    assert np.array_equal(stacked[len(one) :], other)


def test_an_environment_renders_the_clip_before_and_after_its_step(bandit: ClipBandit):
    env = Ada3DEnv(bandit, render_mode="rgb_array")
    with pytest.raises(gym.error.ResetNeeded, match=r"reset\(\)"):
        env.render()
    _, info = env.reset(seed=0)
    assert np.array_equal(env.render(), contact_sheet(bandit, info["clip"]))
    env.step([1, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0])
    assert np.array_equal(env.render(), sheet_of(bandit, info["clip"], "10000001", "10000"))


def test_without_a_render_mode_there_is_nothing_to_render(bandit: ClipBandit):
    env = Ada3DEnv(bandit)
    env.reset()
    assert env.render() is None


def test_a_window_shows_what_the_sheet_shows(bandit: ClipBandit, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    pygame = pytest.importorskip("pygame")
    env, sheets = Ada3DEnv(bandit, render_mode="human"), Ada3DEnv(bandit, render_mode="rgb_array")
    for each in (env, sheets):
        each.reset(seed=0)
        each.step(np.ones(13, np.int8))
    shown = pygame.surfarray.array3d(pygame.display.get_surface()).swapaxes(0, 1)
    assert np.array_equal(shown, sheets.render())
    assert env.render() is None
    env.close()
    assert not pygame.display.get_init()


def test_gymnasium_records_episodes_as_videos(bandit: ClipBandit, tmp_path: Path):
    env = RecordVideo(Ada3DEnv(bandit, render_mode="rgb_array"), str(tmp_path), episode_trigger=lambda episode: True)
    for _ in range(2):
        env.reset()
        env.step(np.ones(13, np.int8))
    env.close()
    assert len(list(tmp_path.glob("*.mp4"))) == 2


def test_all_labels_of_a_video_are_on_the_sheet(bandit: ClipBandit, monkeypatch: pytest.MonkeyPatch):
    record = bandit.source.record(9)
    single = contact_sheet(bandit, 9)
    several = replace(record, labels=(*record.labels, (record.labels[0] + 1) % len(bandit.source.class_names)))
    monkeypatch.setattr(bandit.source, "record", lambda clip: several)
    sheet = contact_sheet(bandit, 9)
    assert not np.array_equal(outside(sheet), outside(single))
    assert np.array_equal(tile(sheet, 0), tile(single, 0))
