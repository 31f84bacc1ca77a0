"""What decoding costs: every clip is counted once, and the cost model reads what the benchmark writes."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ada3d_gym.datasets import video_clips
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.paper.decoding import SOURCES, Feeding
from ada3d_gym.networks.macs import MacCounter
from ada3d_gym.networks.spec import I3D_TINY
from benchmarks.feeding import FORMATS, cells, places
from benchmarks.feeding_check import composed, predicted
from benchmarks.feeding_figures import row, summary
from benchmarks.feeding_process import Cell, Fed, Format, Job, Kind, Place, batches, feed, fill_cache
from benchmarks.feeding_videos import Videos, feeding_videos

ONE = Place(1, 1, 1)


@pytest.fixture(scope="module")
def videos(cache_folder: Path) -> Videos:
    """Small ones, since the pixels do not matter here."""
    return feeding_videos(8, 2, seconds=3, size=(96, 64))


def job(videos: Videos, kind: Kind, form: Format, cache: Path, place: Place = ONE) -> Job:
    root = videos.shards() if form == "shards" else videos.root
    return Job(root, Cell(kind, form, place), (0, 1), 4, 2, cache)


def test_videos_are_the_same_whoever_draws_them(videos: Videos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    files = sorted(videos.root.parent.glob("*.mp4"))
    monkeypatch.setenv("ADA3D_CACHE", str(tmp_path))
    few = feeding_videos(1, 1, seconds=3, size=(96, 64))
    again = sorted(few.root.parent.glob("*.mp4"))
    assert [path.read_bytes() for path in again] == [files[0].read_bytes(), files[8].read_bytes()]
    assert few.bytes_a_second == pytest.approx(np.mean([path.stat().st_size for path in again]) / 3)


def test_all_that_is_decoded_is_counted(videos: Videos, tmp_path: Path):
    for kind, form in (("training", "files"), ("test", "shards"), ("long_training", "decord")):
        fed = feed(job(videos, kind, form, tmp_path))
        assert fed.clips == 8
        assert fed.cpu > 0
        assert fed.wall > 0


def test_decord_reads_more_than_what_is_needed(videos: Videos, tmp_path: Path):
    read = {form: feed(job(videos, "training", form, tmp_path)).read for form in ("files", "decord")}
    assert 0 < read["files"] < read["decord"]


def test_cached_clips_are_not_decoded(videos: Videos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    fill_cache(job(videos, "test", "cache", tmp_path))
    monkeypatch.setattr("ada3d_gym.video.clip_decoder.ClipDecoder.decode", None)
    assert feed(job(videos, "test", "cache", tmp_path)).clips == 8


def test_an_epoch_has_a_clip_of_each_video_and_processes_begin_elsewhere(videos: Videos, tmp_path: Path):
    train = video_clips("videos", "train", data_root=videos.root)
    first, second = islice(batches(train, job(videos, "training", "files", tmp_path)), 2)
    assert set(np.concatenate([first, second]) // train.views) == set(range(8))
    test = video_clips("videos", "test", data_root=videos.root)
    two = job(videos, "test", "files", tmp_path, Place(2, 2, 1))
    begun = [next(batches(test, two.of(rank)))[0] for rank in range(2)]
    assert begun == [0, 10]


def test_batches_are_large_enough_for_all_threads(videos: Videos, tmp_path: Path):
    assert job(videos, "test", "files", tmp_path, Place(8, 1, 8)).batch == 32


def test_places_are_those_of_the_machine():
    assert places(1) == [ONE]
    assert places(2) == [ONE, Place(2, 1, 2), Place(2, 2, 1)]
    assert Place(64, 8, 8) in places(64)
    assert Place(48, 1, 48) in places(48)
    quick = cells(2, quick=True)
    assert {cell.format for cell in quick if cell.place != ONE} == {"files"}
    assert len(set(quick)) == len(quick) < len(cells(2, quick=False))


def rows(others: float = 0.0) -> list[dict[str, Any]]:
    """Of a machine of two cores, whose second one does 0.9 of what the first does alone."""
    found = []
    for kind, forms in FORMATS.items():
        for form in forms:
            cpu, read = (0.02, 2e5) if form == "files" else (0.04, 1e6)
            found.append(row(Cell(kind, form, ONE), [Fed(100, 2.0, 100 * cpu, 100 * read, 100 * cpu + 2 * others)]))
    for kind in ("training", "test"):
        both = [Fed(100, 2.2, 2.1, 2e7, 4.2 + 2.2 * others)] * 2
        found.append(row(Cell(kind, "files", Place(2, 2, 1)), both))
    return found


def test_figures_are_of_one_core_and_of_all():
    one, both = rows()[0], rows()[-1]
    assert (one["clips/s"], one["CPU ms"], one["kB"], one["others"]) == pytest.approx((50, 20, 200, 0))
    assert (both["clips/s"], both["CPU ms"]) == pytest.approx((200 / 2.2, 21))
    found = summary(rows(), 2)
    assert found["training_clips_per_core_second"] == pytest.approx(50)
    assert found["training_efficiency"] == pytest.approx(2 / 2.2)
    assert found["test_clips_per_second_64_cores_projected"] == pytest.approx(64 * 50 * 2 / 2.2)
    assert found["test_disk_mb_per_second_128_cores_projected"] == pytest.approx(128 * 50 * 2 / 2.2 * 0.2)
    busy = summary(rows(others=1.0), 2)
    assert busy["others"] == pytest.approx(1)
    assert busy["training_efficiency"] == pytest.approx(20 / 21)  # by CPU time


def written(path: Path, changed: dict[str, Any] | None = None) -> Path:
    about = {"width": 340, "height": 256, "bytes_a_second": 5e4, "key_frames": 50}
    videos = {"short": {**about, "seconds": 10}, "long": {**about, "seconds": 30}}
    path.write_text(json.dumps({"summary": summary(rows(), 2), "videos": videos} | (changed or {})))
    return path


def test_the_cost_model_reads_every_figure(tmp_path: Path):
    fed = Feeding.read(written(tmp_path / "feeding.json"), seconds=10, bytes_a_second=1e5)
    assert tuple(fed.formats) == SOURCES
    files, alone = fed.formats["files"], fed.formats["decord"]
    assert (files.training.rate, files.test.rate, files.training.efficiency) == pytest.approx((50, 50, 2 / 2.2))
    assert files.training.read == pytest.approx(4e5)  # of files twice as large a second
    assert alone.training.read == pytest.approx(2e6)
    longer = Feeding.read(tmp_path / "feeding.json", seconds=150, bytes_a_second=5e4).formats
    assert longer["files"].training.read == pytest.approx(2e5)
    assert longer["decord"].training.read == pytest.approx(5e6)  # whole files, five times as long
    assert fed.cache.rate == pytest.approx(25)


def test_what_is_predicted_is_what_a_run_does(videos: Videos):
    run = composed(videos, "i3d_tiny")
    assert (run.agent, run.classifier_epochs, run.trunk_epochs) == ("pretrained", 1, 1)
    found = predicted(run, videos)
    assert {name: phase.clips for name, phase in found.items()} == {"trunk": 8, "classifier": 8, "judged": 20}
    assert [phase.tested for phase in found.values()] == [False, False, True]
    whole = MacCounter.of_spec(I3D_TINY, 224, 4).full(8)
    assert found["classifier"].macs == 3 * 8 * whole
    assert found["trunk"].macs < 0.01 * found["classifier"].macs  # so that decoding takes most of the time


def test_another_file_is_told(tmp_path: Path):
    path = written(tmp_path / "feeding.json", {"summary": {}})
    with pytest.raises(InputError, match=r"feeding.json holds no measurement of decoding .*benchmarks.feeding --json"):
        Feeding.read(path, 10, 5e4)
    with pytest.raises(InputError, match=r"none\.json holds no measurement"):
        Feeding.read(tmp_path / "none.json", 10, 5e4)
