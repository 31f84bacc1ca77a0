"""Metrics by hand."""

from __future__ import annotations

import numpy as np
import pytest

from ada3d_gym.metrics import mean_average_precision, top1


def test_top1_counts_videos_whose_best_class_is_one_of_their_labels():
    scores = np.array([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.1, 0.2, 0.7], [0.4, 0.5, 0.1]])
    targets = np.array([[1, 0, 0], [0, 0, 1], [1, 0, 1], [1, 0, 0]], np.bool_)
    assert top1(scores, targets) == 0.5


def test_average_precision_is_the_mean_precision_at_each_positive():
    scores = np.array([[0.9], [0.8], [0.7], [0.6]])
    targets = np.array([[1], [0], [1], [0]], np.bool_)
    assert mean_average_precision(scores, targets) == pytest.approx((1 / 1 + 2 / 3) / 2)


def test_classes_weigh_alike_whatever_their_size():
    scores = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4]])
    targets = np.array([[1, 0], [1, 0], [1, 0], [0, 1]], np.bool_)
    assert mean_average_precision(scores, targets) == 1.0
    backwards = np.array([[0, 1], [1, 0], [1, 0], [1, 0]], np.bool_)
    first_class = (1 / 2 + 2 / 3 + 3 / 4) / 3
    second_class = 1 / 4
    assert mean_average_precision(scores, backwards) == pytest.approx((first_class + second_class) / 2)


def test_classes_without_positives_are_left_out():
    scores = np.array([[0.9, 0.5, 0.1], [0.2, 0.5, 0.8]])
    targets = np.array([[1, 0, 0], [0, 0, 1]], np.bool_)
    assert mean_average_precision(scores, targets) == 1.0


def test_the_interpolated_form_takes_the_best_precision_at_any_higher_recall():
    scores = np.array([[0.9], [0.8], [0.7], [0.6], [0.5]])
    targets = np.array([[0], [1], [1], [0], [1]], np.bool_)
    # precision at each positive: 1/2, 2/3, 3/5; the best from there on: 2/3, 2/3, 3/5
    assert mean_average_precision(scores, targets) == pytest.approx((1 / 2 + 2 / 3 + 3 / 5) / 3)
    assert mean_average_precision(scores, targets, interpolated=True) == pytest.approx((2 / 3 + 2 / 3 + 3 / 5) / 3)


@pytest.mark.parametrize("interpolated", [False, True])
def test_ties_count_as_one_threshold_whatever_their_order(interpolated: bool):
    scores = np.array([[0.5], [0.5], [0.5], [0.1]])
    for order in ([1, 0, 0, 0], [0, 0, 1, 0]):
        targets = np.array(order, np.bool_)[:, None]
        assert mean_average_precision(scores, targets, interpolated=interpolated) == pytest.approx(1 / 3)


def test_several_labels_of_a_video_count_in_each_of_their_classes():
    scores = np.array([[0.9, 0.8, 0.1], [0.6, 0.7, 0.2], [0.1, 0.1, 0.9]])
    targets = np.array([[1, 1, 0], [0, 1, 0], [1, 0, 1]], np.bool_)
    first = (1 / 1 + 2 / 3) / 2
    assert mean_average_precision(scores, targets) == pytest.approx((first + 1 + 1) / 3)
    assert top1(scores, targets) == 1.0
