"""Codings: every mask goes through each and comes back, and what is no action or has none is refused."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

from ada3d_gym.envs.codings import (
    CODINGS,
    MENU_LIMIT,
    BinaryChoices,
    FrameBudget,
    MaskCoding,
    MaskMenu,
    Thresholded,
    spread,
)
from ada3d_gym.masks import ActionError

T, K = 8, 5
EVERY_MASK = np.array([[n >> bit & 1 for bit in range(T + K)] for n in range(2 ** (T + K))], np.int8)
WITH_FRAMES = EVERY_MASK[EVERY_MASK[:, :T].any(1)]
SPREAD = MaskMenu(T, K, "spread")

# a coding and the masks it has actions for
LOSSLESS: dict[str, tuple[MaskCoding, np.ndarray]] = {
    "all masks": (MaskMenu(T, K), WITH_FRAMES),
    "spread masks": (SPREAD, SPREAD.masks),
    "own masks": (MaskMenu(T, K, EVERY_MASK[[5000, 0, 8191, 77]]), EVERY_MASK[[0, 77, 5000, 8191]]),
    "binary choices": (BinaryChoices(T, K), EVERY_MASK),
    "thresholded": (Thresholded(T, K), EVERY_MASK),
    "at least 3": (FrameBudget(T, K, at_least=3), EVERY_MASK[EVERY_MASK[:, :T].sum(1) >= 3]),
    "at most 3": (FrameBudget(T, K, at_most=3), EVERY_MASK[EVERY_MASK[:, :T].sum(1) <= 3]),
    "exactly 4": (FrameBudget(T, K, at_least=4, at_most=4), EVERY_MASK[EVERY_MASK[:, :T].sum(1) == 4]),
}


def frames(bits: str) -> list[int]:
    """A mask of these frame bits and no stages."""
    return [int(bit) for bit in bits] + [0] * K


@pytest.mark.parametrize("name", LOSSLESS)
def test_every_mask_comes_back(name: str):
    coding, masks = LOSSLESS[name]
    actions = coding.encode(masks)
    decoded = coding.decode(actions, batch=(len(masks),))
    assert decoded.dtype == np.int8
    assert np.array_equal(decoded, masks)
    assert all(action in coding.space for action in actions[:: len(actions) // 4])


@pytest.mark.parametrize("name", LOSSLESS)
def test_one_and_many_and_none_and_a_grid_are_coded_alike(name: str):
    coding, masks = LOSSLESS[name]
    one = coding.encode(masks[-1].tolist())
    assert one in coding.space
    assert np.array_equal(coding.decode(one, batch=()), masks[-1])
    grid = np.stack([masks[:3], masks[1:4]])
    assert coding.encode(grid).shape == (2, 3, *coding.space.shape)
    assert np.array_equal(coding.decode(coding.encode(grid)), grid)
    assert coding.decode(coding.encode(masks[:0])).shape == (0, T + K)


@pytest.mark.parametrize("name", LOSSLESS)
def test_samples_of_the_space_become_masks(name: str):
    coding, _ = LOSSLESS[name]
    coding.space.seed(0)
    masks = coding.decode(np.array([coding.space.sample() for _ in range(50)]))
    assert masks.shape == (50, T + K)
    assert len(np.unique(masks, axis=0)) > 3
    assert np.array_equal(coding.decode(coding.encode(masks)), masks)


@pytest.mark.parametrize("name", LOSSLESS)
def test_a_pickled_coding_codes_the_same(name: str):
    coding, masks = LOSSLESS[name]
    copy = pickle.loads(pickle.dumps(coding))
    assert copy.space == coding.space
    assert np.array_equal(copy.encode(masks), coding.encode(masks))
    assert np.array_equal(copy.decode(coding.encode(masks)), masks)


@pytest.mark.parametrize("name", LOSSLESS)
def test_the_dtype_of_actions_makes_no_difference(name: str):
    coding, masks = LOSSLESS[name]
    actions = coding.encode(masks)
    for dtype in (np.int64, np.float32, np.float64):
        assert np.array_equal(coding.decode(actions.astype(dtype)), masks)


def test_spaces_are_the_documented_ones():
    assert MaskMenu(T, K).space == spaces.Discrete(255 * 32)
    assert SPREAD.space == spaces.Discrete(8 * 32)
    assert BinaryChoices(T, K).space == spaces.MultiDiscrete([2] * 13)
    assert Thresholded(T, K).space == spaces.Box(-1, 1, (13,), np.float32)
    assert FrameBudget(T, K, at_most=2).space == spaces.MultiBinary(13)


def test_the_menu_of_all_counts_in_binary_and_has_no_mask_without_frames():
    menu = MaskMenu(2, 2)
    assert ["".join(map(str, mask)) for mask in menu.masks.tolist()] == (
        ["0100", "0101", "0110", "0111", "1000", "1001", "1010", "1011", "1100", "1101", "1110", "1111"]
    )
    full = MaskMenu(T, K)
    assert len(np.unique(full.masks, axis=0)) == len(full.masks)
    assert full.decode(0).tolist() == frames("00000001")
    assert full.decode(full.space.n - 1).tolist() == [1] * (T + K)


def test_the_spread_menu_has_every_number_of_frames_with_every_stage_mask():
    assert SPREAD.decode(0).tolist() == frames("00001000")
    assert SPREAD.decode(32).tolist() == frames("00100010")
    assert SPREAD.decode(32 + 9).tolist() == [0, 0, 1, 0, 0, 0, 1, 0, 0, 1, 0, 0, 1]
    assert np.array_equal(SPREAD.masks[:, :T].sum(1), np.repeat(np.arange(1, 9), 32))
    assert len(np.unique(SPREAD.masks, axis=0)) == 8 * 32
    assert MaskMenu(16, 5, "spread").space.n == 16 * 32


@pytest.mark.parametrize("num_frames", [1, 2, 7, 8, 16, 33])
def test_spread_frames_are_distinct_centred_and_as_far_apart_as_can_be(num_frames: int):
    for kept in range(1, num_frames + 1):
        chosen = spread(num_frames, kept)
        assert ((chosen >= 0) & (chosen < num_frames)).all()
        gaps = np.diff(chosen)
        assert len(chosen) == kept
        assert all(num_frames // kept <= gap <= -(-num_frames // kept) for gap in gaps)
        assert abs(chosen.mean() - (num_frames - 1) / 2) <= 0.5
        if num_frames % kept == 0 and num_frames // kept % 2:  # there is a frame in the middle of each part
            assert chosen.mean() == (num_frames - 1) / 2


def test_masks_too_long_for_an_integer_have_a_place_in_a_menu():
    rng = np.random.default_rng(0)
    masks = rng.integers(0, 2, (200, 90), np.int8)
    menu = MaskMenu(80, 10, masks)
    assert np.array_equal(menu.encode(masks), np.arange(200))
    with pytest.raises(ActionError, match="not in this menu of 200 masks"):
        menu.encode(1 - masks[0])


def test_a_menu_cannot_be_changed_by_what_it_gives_out():
    menu = MaskMenu(T, K)
    menu.decode([3, 3])[:] = 1
    menu.decode(3)[:] = 1
    assert menu.decode(3).sum() < T + K
    with pytest.raises(ValueError, match="read-only"):
        menu.masks[3] = 1


def test_thresholded_keeps_above_zero_only():
    numbers = [1, 0.001, 0, -0.0, -0.001, -1, 0.5, -0.5, 1, -1, 0, 1e-30, -1e-30]
    assert Thresholded(T, K).decode(numbers).tolist() == [1, 1, 0, 0, 0, 0, 1, 0, 1, 0, 0, 1, 0]


@pytest.mark.parametrize(("at_least", "at_most"), [(0, 8), (0, 1), (0, 3), (1, 8), (3, 8), (8, 8), (2, 5), (4, 4)])
def test_a_budget_holds_for_every_mask(at_least: int, at_most: int):
    budget = FrameBudget(T, K, at_least=at_least, at_most=at_most)
    given = EVERY_MASK.copy()
    made = budget.decode(given)
    before, after = given[:, :T].sum(1), made[:, :T].sum(1)
    assert np.array_equal(given, EVERY_MASK)
    assert np.array_equal(after, before.clip(at_least, at_most))
    assert np.array_equal(made[:, T:], given[:, T:])
    fewer, more = (made <= given).all(1), (made >= given).all(1)
    assert fewer[before >= at_least].all()  # frames are taken away from masks that keep too many
    assert more[before <= at_most].all()  # and added to those that keep too few: so others stay as they are
    assert np.array_equal(budget.decode(made), made)


@pytest.mark.parametrize(
    ("options", "given", "made"),
    [
        ({"at_most": 1}, "11111111", "00001000"),
        ({"at_most": 2}, "11111111", "00100010"),
        ({"at_most": 2}, "11110000", "01010000"),  # spread among the kept, not over the clip
        ({"at_most": 2}, "10000011", "10000001"),
        ({"at_most": 3}, "10100001", "10100001"),
        ({"at_least": 2}, "10000000", "10000001"),
        ({"at_least": 3}, "10000000", "10010001"),  # 3 and 4 are as far from both ends: the earlier
        ({"at_least": 2}, "00010000", "00010001"),
        ({"at_least": 2}, "00000000", "00100010"),
        ({"at_least": 1}, "00000000", "00001000"),
        ({"at_least": 4, "at_most": 4}, "11111100", "10110100"),
    ],
)
def test_the_rule_by_example(options: dict[str, int], given: str, made: str):
    assert FrameBudget(T, K, **options).decode(frames(given)).tolist() == frames(made)


def test_a_budget_takes_arrays_of_any_memory_order():
    budget = FrameBudget(T, K, at_least=3, at_most=4)
    masks = EVERY_MASK[::37]
    assert np.array_equal(budget.decode(np.asfortranarray(masks)), budget.decode(masks))
    assert np.array_equal(budget.decode(masks), [budget.decode(mask) for mask in masks])


@pytest.mark.parametrize(
    ("name", "action", "told"),
    [
        ("all masks", 8160, "holds 8160: expected an integer from 0 to 8159"),
        ("all masks", [3, -1], "holds -1: expected an integer from 0"),
        ("all masks", 1.5, "holds 1.5"),
        ("all masks", np.nan, "holds nan"),
        ("all masks", np.inf, "holds inf"),
        ("all masks", "3", "dtype <U1: expected an integer"),
        ("all masks", None, "dtype object"),
        ("binary choices", [1] * 12, r"shape \(12,\): expected 8 frame bits and 5 stage bits, each 0 or 1"),
        ("binary choices", 1, r"shape \(\)"),
        ("binary choices", [1] * 12 + [2], "holds 2"),
        ("binary choices", [1] * 12 + [[1]], "uneven length"),
        ("thresholded", [0] * 12 + [1.5], "holds 1.5: expected 8 frame numbers and 5 stage numbers, each from -1 to 1"),
        ("thresholded", [0] * 12 + [np.nan], "holds nan"),
        ("thresholded", [0] * 12 + [-np.inf], "holds -inf"),
        ("at most 3", [0] * 12 + [0.5], "holds 0.5: expected 8 frame bits"),
        ("at most 3", np.ones((13, 1)), r"shape \(13, 1\)"),
    ],
)
def test_what_is_no_action_is_refused_with_what_it_was_and_what_was_expected(name: str, action: Any, told: str):
    with pytest.raises(ActionError, match=told):
        LOSSLESS[name][0].decode(action)


@pytest.mark.parametrize("name", LOSSLESS)
def test_another_number_of_actions_than_asked_for_is_refused(name: str):
    coding, masks = LOSSLESS[name]
    actions = coding.encode(masks[:3])
    with pytest.raises(ActionError, match="for each of 2 environments"):
        coding.decode(actions, batch=(2,))
    with pytest.raises(ActionError, match="expected"):
        coding.decode(actions[:1], batch=())


@pytest.mark.parametrize(
    ("name", "mask", "told"),
    [
        ("all masks", [0] * 13, r"mask 00000000 00000 \(frames, stages\) is not in this menu of 8,160 masks"),
        ("spread masks", frames("11000000"), "mask 11000000 00000"),
        ("own masks", [EVERY_MASK[77], EVERY_MASK[78]], "is not in this menu of 4"),
        ("at most 3", frames("11110000"), "mask 11110000 00000 .* keeps 4 frames: expected 0 to 3"),
        ("exactly 4", [frames("11110000"), frames("10000000")], "mask 10000000 .* keeps 1 frames: expected 4 to 4"),
        ("thresholded", [0.5] * 13, "holds 0.5: expected 8 frame bits"),
        ("binary choices", [1] * 14, r"shape \(14,\)"),
    ],
)
def test_a_mask_without_an_action_is_named(name: str, mask: Any, told: str):
    with pytest.raises(ActionError, match=told):
        LOSSLESS[name][0].encode(mask)


@pytest.mark.parametrize(
    ("coding", "options", "told"),
    [
        (
            "discrete",
            {"num_frames": 16},
            f"2,097,120 masks, .* {MENU_LIMIT:,} of a menu: use masks='spread'",
        ),
        ("discrete", {"num_stages": 11, "masks": "spread"}, "16,384 masks.*use masks of your own, or another coding"),
        ("discrete", {"masks": "some"}, "unknown menu 'some': expected 'all', 'spread' or"),
        ("discrete", {"masks": np.ones((0, 13))}, r"shape \(0, 13\) are no menu"),
        ("discrete", {"masks": np.ones(13)}, r"shape \(13,\) are no menu"),
        ("discrete", {"masks": np.ones((2, 12))}, r"shape \(2, 12\): expected 8 frame bits"),
        ("discrete", {"masks": np.ones((2, 13))}, "mask 11111111 11111 .* more than once"),
        ("frame_budget", {"at_most": 0}, "at_most=0 is no budget of 8 frames"),
        ("frame_budget", {"at_most": 9}, "at_most=9"),
        ("frame_budget", {"at_least": -1}, "at_least=-1"),
        ("frame_budget", {"at_least": 9}, "at_least=9"),
        ("frame_budget", {"at_least": 4, "at_most": 3}, "at_least=4, at_most=3"),
        ("box", {"num_frames": 0}, "num_frames=0"),
        ("multi_discrete", {"num_stages": -1}, "num_stages=-1"),
    ],
)
def test_codings_that_cannot_be_are_refused(coding: str, options: dict[str, Any], told: str):
    with pytest.raises(ValueError, match=told):
        CODINGS[coding](**{"num_frames": T, "num_stages": K, **options})


def test_networks_without_3d_stages_have_codings_too():
    assert MaskMenu(3, 0).masks.tolist() == [
        [0, 0, 1],
        [0, 1, 0],
        [0, 1, 1],
        [1, 0, 0],
        [1, 0, 1],
        [1, 1, 0],
        [1, 1, 1],
    ]
    assert BinaryChoices(3, 0).decode([1, 0, 1]).tolist() == [1, 0, 1]
