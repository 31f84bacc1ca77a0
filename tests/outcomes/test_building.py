"""A table is built chunk by chunk, by whoever comes, and its bytes do not tell how."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from ada3d_gym.bandit import ClipBandit
from ada3d_gym.building import build_bandit
from ada3d_gym.errors import InputError
from ada3d_gym.masks import all_masks, split_mask
from ada3d_gym.outcomes import building
from ada3d_gym.outcomes.building import Build
from ada3d_gym.outcomes.cells import cells_of
from ada3d_gym.outcomes.storage import TableError
from ada3d_gym.outcomes.table import PARTS, load_table
from ada3d_gym.video.clips import VideoClips

ABOUT = {"dataset": "motionshapes", "split": "test", "network": "slowonly_tiny", "command": "ada3d tabulate …"}


@pytest.fixture(scope="module")
def slowonly(cache_folder: Path) -> ClipBandit:
    """1,024 masks of each of 40 clips: three chunks."""
    return build_bandit(split="test", videos=20, views=2, backbone="slowonly_tiny")


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.safetensors"))}


@pytest.fixture(scope="module")
def unbroken(slowonly: ClipBandit, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unbroken")
    build = Build(slowonly, folder / "chunks", tuple(PARTS))
    assert build.chunks == 3
    assert list(build.make(range(3))) == [0, 1, 2]
    build.table(**ABOUT).save(folder / "t.safetensors")
    return folder


def test_every_cell_is_what_a_live_pull_says(slowonly: ClipBandit, unbroken: Path):
    table = load_table(unbroken / "t.safetensors")
    source = slowonly.source
    masks = all_masks(8, 2)
    for clip in (0, 17, 39):
        ids = np.full(len(masks), clip)
        outcome = slowonly.pull(ids, *split_mask(masks, 8, 2))
        rows, numbers = table.rows(ids), np.arange(len(masks))
        told = table.is_near_tie(rows, numbers)
        assert told[4:].mean() < 0.1
        agree = (table.correct(rows, numbers) == outcome.correct) | told
        agree &= ((table.part("prediction")[clip] == outcome.prediction) | outcome.no_frames) | told
        assert agree.all()
        assert (table.macs == outcome.macs).all()
        scores, targets = outcome.scores, source.targets(ids)
        ranked = np.sort(scores, 1)
        expected = {
            "confidence": outcome.confidence,
            "label": (scores * targets).sum(1),
            "label_margin": (scores * targets).max(1) - np.where(targets, 0, scores).max(1),
            "margin": ranked[:, -1] - ranked[:, -2],
        }
        for name, values in expected.items():
            assert table.part(name).dtype == np.float16
            np.testing.assert_allclose(table.part(name)[clip], values, atol=1e-3)
        assert (table.all_correct(np.array([clip]))[0] == table.correct(rows, numbers)).all()
    assert (table.labels == source.labels(np.arange(40))).all()
    assert set(table.families) <= {"scene", "object", "motion"}
    table.verify()


def test_builds_that_were_broken_off_or_shared_out_end_in_the_same_bytes(
    slowonly: ClipBandit, unbroken: Path, tmp_path: Path
):
    mine, theirs = (Build(slowonly, tmp_path / name, tuple(PARTS)) for name in ("mine", "theirs"))
    for _ in mine.make([0, 1, 2]):
        break  # as killed after the first
    assert mine.done() == [0]
    assert list(theirs.make([2])) == [2]
    mine = Build(slowonly, tmp_path / "mine", tuple(PARTS))
    assert mine.take(tmp_path / "theirs") == 1
    with FileLock(tmp_path / "mine" / "000001.lock"):  # somebody else is at it
        assert list(mine.make([0, 1, 2])) == []
    with pytest.raises(TableError, match=r"000001\.npz is missing"):
        mine.table(**ABOUT)
    assert list(mine.make([0, 1, 2])) == [1]
    mine.table(**ABOUT).save(tmp_path / "t.safetensors")
    assert bytes_of(tmp_path) == bytes_of(unbroken)


def test_a_damaged_chunk_is_named_and_made_again(slowonly: ClipBandit, tmp_path: Path):
    build = Build(slowonly, tmp_path)
    list(build.make(range(3)))
    path = tmp_path / "000001.npz"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(TableError, match=r"000001\.npz was damaged .* start the command again"):
        build.table(**ABOUT)
    assert list(build.make(range(3))) == [1]
    assert len(build.table(**ABOUT)) == 40


def test_chunks_of_another_table_are_refused_by_what_differs(slowonly: ClipBandit, tmp_path: Path):
    list(Build(slowonly, tmp_path / "a").make([0]))
    other = build_bandit(split="test", videos=21, views=2, backbone="slowonly_tiny")
    with pytest.raises(TableError, match=r"chunks of another table \(clips_sha256: .* delete it, or choose another"):
        Build(other, tmp_path / "a")
    list(Build(other, tmp_path / "b").make([0]))
    with pytest.raises(TableError, match="chunks of another table"):
        Build(slowonly, tmp_path / "a").take(tmp_path / "b")
    with pytest.raises(TableError, match="holds no chunks"):
        Build(slowonly, tmp_path / "a").take(tmp_path)
    with pytest.raises(InputError, match="unknown part 'x': expected some of prediction"):
        Build(slowonly, tmp_path / "c", ("x",))


def test_clips_that_cannot_be_decoded_are_left_out(tmp_path: Path):
    source = build_bandit(split="test", videos=20, views=1).source
    assert isinstance(source, VideoClips)
    records = list(source.records)
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(records[3].path.read_bytes()[:2000])
    records[3] = replace(records[3], path=broken, sha256="", size=0)
    damaged = VideoClips(records, source.class_names, source.sampler, observation_size=32, max_bad_share=0.5)
    live = build_bandit(split="test", videos=20, views=1, backbone="slowonly_tiny")
    bandit = ClipBandit(damaged, live.classifier, live.reward)
    build = Build(bandit, tmp_path / "chunks")
    list(build.make(range(build.chunks)))
    table = build.table(**ABOUT)
    assert len(table) == 19
    assert table.rows(np.array([2, 4])).tolist() == [2, 3]
    with pytest.raises(TableError, match="has no clip 3"):
        table.rows(np.array([3]))


def test_several_labels_make_any_of_them_right():
    scores = np.array([[[0.0, 0.0, 0.0], [0.5, 0.3, 0.2], [0.2, 0.495, 0.305], [0.2, 0.3, 0.5]]], np.float32)
    cells = cells_of(scores, np.array([[True, False, True]]), 0, ("label", "label_margin", "prediction"))
    assert np.unpackbits(cells.correct, axis=1, count=4).tolist() == [[0, 1, 0, 1]]
    np.testing.assert_allclose(cells.parts["label"][0, 1:], [0.7, 0.505, 0.7], atol=1e-3)
    np.testing.assert_allclose(cells.parts["label_margin"][0, 1:], [0.2, -0.19, 0.2], atol=1e-3)
    assert cells.parts["prediction"].dtype == np.uint8
    assert cells.close_count.tolist() == [0]


def test_a_gpu_takes_several_clips_at_once_with_the_same_result(
    slowonly: ClipBandit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    one, several = (Build(slowonly, tmp_path / name) for name in ("one", "several"))
    list(one.make([0]))
    monkeypatch.setattr(building, "_clips_at_once", lambda device: 5)
    list(several.make([0]))
    with np.load(tmp_path / "one" / "000000.npz") as a, np.load(tmp_path / "several" / "000000.npz") as b:
        assert (a["correct"] == b["correct"]).all()
