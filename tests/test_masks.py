"""Actions: what is taken, and how everything else is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ada3d_gym.masks import ActionError, join_mask, split_mask

BITS = [1, 0, 1, 1, 0]


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int64, np.bool_, np.float32, np.float64])
def test_every_real_dtype_that_agents_send_is_taken(dtype: Any):
    u, v = split_mask(np.array(BITS, dtype), 3, 2)
    assert u.dtype == v.dtype == np.bool_
    assert u.tolist() == [True, False, True]
    assert v.tolist() == [True, False]


def test_a_list_is_taken():
    u, v = split_mask(BITS, 3, 2)
    assert [*u, *v] == BITS


def test_a_batch_keeps_its_leading_dimensions():
    u, v = split_mask(np.ones((4, 6, 5)), 3, 2)
    assert u.shape == (4, 6, 3)
    assert v.shape == (4, 6, 2)


def test_join_is_the_inverse_of_split():
    masks = np.random.default_rng(0).integers(0, 2, (20, 5), np.int8)
    joined = join_mask(*split_mask(masks, 3, 2))
    assert joined.dtype == np.int8
    assert np.array_equal(joined, masks)


@pytest.mark.parametrize(
    ("action", "told"),
    [
        ([1, 0, 1, 1], r"shape \(4,\)"),
        ([1, 0, 1, 1, 0, 0], r"shape \(6,\)"),
        (1, r"shape \(\)"),
        ([], r"shape \(0,\)"),
        (np.ones((5, 1)), r"shape \(5, 1\)"),
        ([1, 0, np.nan, 1, 0], "nan"),
        ([1, 0, 2, 1, 0], "holds 2"),
        ([1, 0, -1, 1, 0], "holds -1"),
        ([1, 0, 0.5, 1, 0], "holds 0.5"),
        ([1, 0, np.inf, 1, 0], "inf"),
        ("10110", "dtype <U"),
        (["1", "0", "1", "1", "0"], "dtype <U"),
        (None, "dtype object"),
        ([1, 0, None, 1, 0], "dtype object"),
        (np.ones(5, complex), "dtype complex"),
    ],
)
def test_anything_else_is_refused_with_what_it_was_and_what_was_expected(action: Any, told: str):
    with pytest.raises(ActionError, match=f"{told}.*expected 3 frame bits and 2 stage bits"):
        split_mask(action, 3, 2)


def test_a_ragged_list_is_refused_too():
    with pytest.raises(ActionError, match="expected 3 frame bits"):
        split_mask([1, [0], 1, 1, 0], 3, 2)
