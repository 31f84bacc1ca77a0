"""What is no table, or one in part, is one error that names the file; nothing is looked up in it."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from ada3d_gym.bandit import ClipBandit
from ada3d_gym.building import build_bandit
from ada3d_gym.errors import InputError
from ada3d_gym.networks.classifier import NetworkClassifier
from ada3d_gym.outcomes.classifier import check_network
from ada3d_gym.outcomes.storage import TableError, part_path
from ada3d_gym.outcomes.table import OutcomeTable, load_table
from ada3d_gym.outcomes.values import Game
from ada3d_gym.rewards import MaskReward

Arrays = dict[str, Any]


def changed(name: str, change: Callable[[Any], Any]) -> Callable[[Arrays], Arrays]:
    return lambda arrays: arrays | {name: change(np.array(arrays[name]))}


UNSOUND: dict[str, Callable[[Arrays], Arrays]] = {
    "an array is missing": lambda arrays: {key: value for key, value in arrays.items() if key != "macs"},
    "another dtype": changed("macs", lambda macs: macs.astype(np.float32)),
    "too few masks": changed("correct", lambda bits: bits[:, :-1]),
    "too few clips": changed("family", lambda family: family[:-1]),
    "clips repeated": changed("clip", lambda clips: clips * 0),
    "clips reversed": changed("clip", lambda clips: clips[::-1].copy()),
    "a negative clip": changed("clip", lambda clips: clips - 1),
    "labels beyond the classes": changed("label", lambda labels: labels + 100),
    "labels that end early": changed("label_start", lambda start: np.minimum(start, 3)),
    "close cells that end early": changed("close_start", lambda start: start * 0 + 1),
    "no MACs": changed("macs", lambda macs: macs * 0),
    "negative MACs": changed("macs", lambda macs: -macs),
}


@pytest.mark.parametrize("what", UNSOUND)
def test_arrays_that_are_no_tables_are_refused(what: str, table: OutcomeTable, tmp_path: Path):
    path = tmp_path / "t.safetensors"
    OutcomeTable(table.about, UNSOUND[what](dict(table.arrays))).save(path)
    with pytest.raises(TableError, match=r"t\.safetensors: no whole outcome table"):
        load_table(path)


@pytest.mark.parametrize("text", ["[1]", "3", "null", '"x"', "{", "[" * 100_000, '{"format": 1}'])
def test_metadata_of_another_kind_are_refused(text: str, tmp_path: Path):
    save_file({"correct": np.zeros(1, np.uint8)}, tmp_path / "t.safetensors", {"ada3d_outcomes": text})
    with pytest.raises(TableError, match=r"t\.safetensors: "):
        load_table(tmp_path / "t.safetensors")


def test_a_bit_that_flips_in_the_metadata_is_noticed(bare_path: Path):
    content = bytearray(bare_path.read_bytes())
    (length,) = struct.unpack("<Q", content[:8])
    header = bytes(content[8 : 8 + length])
    for word in (b"slowonly_tiny", b"motionshapes", b"class_names"):
        at = 8 + header.index(word)
        content[at] ^= 1
        bare_path.write_bytes(content)
        with pytest.raises(TableError):
            load_table(bare_path)
        content[at] ^= 1


def test_half_of_a_table_in_the_place_of_a_part_is_refused(table: OutcomeTable, bare_path: Path):
    target = part_path(bare_path, "label")
    target.write_bytes(bare_path.read_bytes())
    with pytest.raises(TableError, match="is not the part 'label'"):
        load_table(bare_path).part("label")
    cells = np.array(table.part("label"))
    for wrong in (cells[:-1], cells[:, :-1], (cells * 255).astype(np.uint8)):
        OutcomeTable(table.about, table.arrays, parts={"label": wrong}).save(bare_path)
        with pytest.raises(TableError, match=r"label\.safetensors: cells"):
            load_table(bare_path).part("label")


def test_a_classifier_in_another_precision_is_another(table: OutcomeTable, on_network: Callable[..., ClipBandit]):
    live = on_network().classifier
    assert isinstance(live, NetworkClassifier)
    check_network(table, live, "classifier=")
    half = NetworkClassifier(live.network, live.size, dtype=torch.bfloat16)
    with pytest.raises(TableError, match="is of a classifier in float32, and classifier= is in bfloat16"):
        check_network(table, half, "classifier=")


def test_near_ties_are_wider_in_half_precision(table: OutcomeTable):
    arrays = dict(table.arrays) | {
        "close_start": np.array([0, 1, 1, 1, 1, 1, 1]),
        "close_mask": np.array([9], np.uint16),
        "close_margin": np.array([0.005], np.float16),
    }
    cell = np.array([0]), np.array([9])
    assert not OutcomeTable(table.about, arrays).is_near_tie(*cell)
    assert OutcomeTable(replace(table.about, dtype="bfloat16"), arrays).is_near_tie(*cell)


def test_rows_of_a_game_may_be_a_mask_and_nothing_else_by_mistake(table: OutcomeTable):
    reward = MaskReward(6.0)
    chosen = np.array([True, False, False, True, False, True])
    assert Game(table, reward, chosen).rows.tolist() == [0, 3, 5]
    for wrong in ([0.7], [-1], [6], [], [[0]], [True, False]):
        with pytest.raises(InputError, match="expected numbers of rows, 0 to 5"):
            Game(table, reward, wrong)


def test_logits_are_no_probabilities(table: OutcomeTable):
    expected = Game(table, MaskReward(6.0)).expected_rewards
    with pytest.raises(InputError, match="not their logits"):
        expected(torch.full((1, 8), 1.5), torch.zeros(1, 2), np.array([0]))
    with pytest.raises(InputError, match="expected"):
        expected(torch.zeros(1, 2), torch.zeros(1, 8), np.array([0]))


def test_a_missing_part_is_named_when_the_environment_is_made(bare_path: Path):
    options = {"split": "test", "backbone": "slowonly_tiny", "videos": 6, "outcomes": bare_path}
    with pytest.raises(TableError, match=r"does not hold 'label'"):
        build_bandit(**options, reward="confidence")
    with pytest.raises(InputError, match="outcomes is int"):
        build_bandit(**{**options, "outcomes": 3})
    with pytest.raises(TableError, match="no such file"):
        build_bandit(**{**options, "outcomes": "x" * 300})
