"""Table files: what is written is read, and what is damaged, foreign or missing is refused by name."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from ada3d_gym.bandit import ClipBandit
from ada3d_gym.building import build_bandit
from ada3d_gym.networks.checkpoints.weights import save_weights
from ada3d_gym.networks.classifier import NetworkClassifier
from ada3d_gym.networks.resnet3d import MaskedResNet3d
from ada3d_gym.networks.spec import SPECS
from ada3d_gym.outcomes.classifier import TableClassifier
from ada3d_gym.outcomes.storage import TableError, part_path
from ada3d_gym.outcomes.table import PARTS, OutcomeTable, load_table
from ada3d_gym.shipped import shipped_table

Bandits = Callable[..., ClipBandit]


def test_what_is_saved_is_loaded(table: OutcomeTable, tmp_path: Path):
    table.save(tmp_path / "copy.safetensors")
    copy = load_table(tmp_path / "copy.safetensors")
    assert copy.about == table.about
    assert copy.arrays.keys() == table.arrays.keys()
    assert all(np.array_equal(copy.arrays[key], value) for key, value in table.arrays.items())
    assert (len(table), table.num_masks, table.num_frames, table.num_stages) == (6, 1024, 8, 2)
    again = pickle.loads(pickle.dumps(table))
    assert np.array_equal(again.arrays["correct"], table.arrays["correct"])


def test_bits_are_the_cells(table: OutcomeTable):
    rows, masks = (part.ravel() for part in np.meshgrid(np.arange(6), np.arange(1024), indexing="ij"))
    everything = table.all_correct(slice(None))
    assert np.array_equal(table.correct(rows, masks), everything.ravel())
    assert not everything[:, :4].any()  # no frame
    assert 0.05 < everything.mean() < 1


def test_labels_are_those_of_the_clips(table: OutcomeTable, on_network: Bandits):
    source, ids = on_network().source, np.array([3, 0, 3, 5])
    assert np.array_equal(table.labels[table.rows(ids)], source.labels(ids))
    assert np.array_equal(table.targets(table.rows(ids)), source.targets(ids))
    assert table.families.tolist() == [source.record(clip).family for clip in range(6)]


def test_all_labels_of_a_clip_are_its_targets(table: OutcomeTable):
    several = {"label": np.array([3, 1, 0, 2], np.int32), "label_start": np.array([0, 2, 2, 3, 4])}
    many = OutcomeTable(replace(table.about, class_names=tuple("abcd")), table.arrays | several)
    assert many.targets(np.array([1, 0, 3])).astype(int).tolist() == [[0, 0, 0, 0], [0, 1, 0, 1], [0, 0, 1, 0]]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda content: content[: len(content) // 2], "damaged or no outcome table"),
        (lambda content: content[:-5] + b"12345", "damaged, its content is not what its checksum says"),
        (lambda content: b"", "damaged or no outcome table"),
        (lambda content: b"not a table at all", "damaged or no outcome table"),
        (lambda content: content.replace(b'\\"format\\": 1', b'\\"format\\": 7'), "format 7, expected 1"),
    ],
)
def test_a_damaged_file_is_one_clear_error(spoil: Any, message: str, bare_path: Path):
    bare_path.write_bytes(spoil(bare_path.read_bytes()))
    with pytest.raises(TableError, match=f"{bare_path}.*{message}.*ada3d tabulate"):
        load_table(bare_path)


def test_a_file_that_is_none_is_one_clear_error(table_path: Path, tmp_path: Path):
    with pytest.raises(TableError, match=r"none\.safetensors: no such file"):
        load_table(tmp_path / "none.safetensors")
    save_file({"weights": np.zeros(3)}, tmp_path / "weights.safetensors")
    with pytest.raises(TableError, match="a safetensors file, but no outcome table"):
        load_table(tmp_path / "weights.safetensors")
    with pytest.raises(TableError, match=r"label\.safetensors is a part of a table, 'label'"):
        load_table(part_path(table_path, "label"))


def test_a_part_is_of_its_table_or_refused(table: OutcomeTable, bare_path: Path):
    bare = load_table(bare_path)
    for name in PARTS:
        missing = part_path(bare_path, name)
        with pytest.raises(TableError, match=f"does not hold '{name}'.*{missing} would.*ada3d tabulate ID.*{name}"):
            bare.part(name)
        assert table.part(name).shape == (6, 1024)
    other = OutcomeTable(table.about, table.arrays | {"correct": table.arrays["correct"] ^ 1})
    other.save(bare_path)
    shutil.copy(part_path(table.path, "label"), part_path(bare_path, "label"))
    with pytest.raises(TableError, match=r"bare\.label\.safetensors is not the part 'label' of .*another table"):
        load_table(bare_path).part("label")


def test_verify_finds_damage_in_parts(table: OutcomeTable, tmp_path: Path):
    for path in table.path.parent.glob("small*.safetensors"):
        shutil.copy(path, tmp_path)
    copy = load_table(tmp_path / "small.safetensors")
    copy.verify()
    part = tmp_path / "small.margin.safetensors"
    part.write_bytes(part.read_bytes()[:-3] + b"123")
    with pytest.raises(TableError, match=r"small\.margin\.safetensors: damaged"):
        copy.verify()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"views": 2}, "is of views=1, and this environment of views=2"),
        ({"num_frames": 16}, "is of num_frames=8, and this environment of num_frames=16"),
        ({"split": "val"}, "is of split=test, and this environment of split=val"),
        ({"backbone": "i3d_tiny"}, "is of backbone=slowonly_tiny, and this environment of backbone=i3d_tiny"),
        ({"videos": 7}, "is of videos=6, and this environment of videos=7.*or fewer"),
    ],
)
def test_a_table_of_other_clips_is_refused_saying_what_differs(
    options: dict[str, Any], message: str, on_table: Bandits, table_path: Path
):
    with pytest.raises(TableError, match=f"{table_path} {message}"):
        on_table(**options)


def test_a_table_of_other_videos_is_refused_naming_the_first(table: OutcomeTable, on_network: Bandits):
    videos = table.arrays["video"].copy()
    videos[2] += 1
    other = OutcomeTable(table.about, table.arrays | {"video": videos}, table.path)
    with pytest.raises(TableError, match=r"is of other videos: .*00002\.mp4 is not the one in its place.* 0 more of 6"):
        TableClassifier(other, on_network().source)
    with pytest.raises(TableError, match=r"14 classes .*these videos 2"):
        source = on_network().source
        source.class_names = ("one", "other")
        TableClassifier(table, source)


def test_a_table_of_another_classifier_is_refused(on_table: Bandits, on_network: Bandits, tmp_path: Path):
    assert isinstance(on_table(classifier=on_network().classifier).classifier, TableClassifier)
    network = MaskedResNet3d(SPECS["slowonly_tiny"], 14)
    with pytest.raises(TableError, match=r"of another classifier than classifier=.*SHA-256"):
        on_table(classifier=NetworkClassifier(network, 64))
    save_weights(network, tmp_path / "own.safetensors")
    with pytest.raises(TableError, match=r"of another classifier than checkpoint=.*own\.safetensors.*leave checkpoint"):
        on_table(checkpoint=tmp_path / "own.safetensors")


def test_the_same_checkpoint_is_taken(on_table: Bandits, on_network: Bandits, tmp_path: Path):
    save_weights(on_network().classifier.network, tmp_path / "same.safetensors")
    assert isinstance(on_table(checkpoint=tmp_path / "same.safetensors").classifier, TableClassifier)


def test_fewer_videos_are_served(on_table: Bandits, on_network: Bandits):
    some, live = on_table(videos=4), on_network(videos=4)
    masks = np.ones((4, 8), np.bool_), np.ones((4, 2), np.bool_)
    assert np.array_equal(some.pull(np.arange(4), *masks).reward, live.pull(np.arange(4), *masks).reward)


def test_a_table_that_does_not_ship_is_named_with_the_command_that_makes_it():
    command = "'ada3d tabulate Ada3D-FCVID-v0 --split test --output FILE' and give outcomes=FILE"
    with pytest.raises(ValueError, match=f"no outcome table ships for fcvid-i3d_r50-8-test .*there are .*{command}"):
        shipped_table("fcvid", "i3d_r50", 8, "test")
    with pytest.raises(ValueError, match=r"'ada3d tabulate ID --split test"):
        shipped_table("own", "own", 8, "test")


def test_a_clip_that_could_not_be_decoded_is_named(table: OutcomeTable):
    known = np.array([0, 1, 2, 3, 5])
    rows = {key: table.arrays[key][known] for key in ("correct", "family")}
    most = OutcomeTable(table.about, table.arrays | rows | {"clip": known})
    assert most.rows(np.array([5, 0])).tolist() == [4, 0]
    with pytest.raises(TableError, match="has no clip 4, which could not be decoded"):
        most.rows(np.array([0, 4]))


def test_live_is_the_network():
    assert isinstance(build_bandit(split="test", videos=2, outcomes="live").classifier, NetworkClassifier)
