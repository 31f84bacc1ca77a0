"""The command that makes outcome tables: resumed, shared out and merged, its bytes are the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ada3d_gym.errors import InputError
from ada3d_gym.experiments.tabulate import tabulate
from ada3d_gym.outcomes.table import load_table
from tests.processes import kill_when, start

ENV = "Ada3D-MotionShapes-SlowOnly-v1"
FLAGS = ("--videos", "10", "--views", "2", "--workers", "1")


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("table") / "t.safetensors"
    tabulate(ENV, videos=10, views=2, output=path, parts=("label",))
    return path


def test_a_table_and_its_part_lie_where_they_were_asked_for(
    unbroken: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert sorted(path.name for path in unbroken.parent.iterdir()) == ["t.label.safetensors", "t.safetensors"]
    table = load_table(unbroken)
    assert (len(table), table.num_masks, table.about.network) == (20, 1024, "slowonly_tiny")
    assert (
        table.about.command == f"ada3d tabulate {ENV} --views 2 --videos 10 --split test --output t.safetensors"
        " --parts label"
    )
    assert table.about.licence == "MIT"
    assert "torch" in table.about.versions
    assert 0.9 < table.all_correct(slice(None))[:, -1].mean() <= 1
    assert np.isfinite(table.part("label")).all()


def test_killed_and_started_again_the_bytes_are_the_same(
    unbroken: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path = tmp_path / "t.safetensors"
    command = ("-m", "experiments.tabulate", ENV, *FLAGS, "--output", str(path), "--parts", "label")
    kill_when(start(*command), lambda: any(tmp_path.glob("t.building/*.npz")))
    assert not path.exists()
    tabulate(ENV, videos=10, views=2, output=path, parts=("label",), workers=1)
    assert "20 clips x 1,024 masks" in capsys.readouterr().out
    for name in ("t.safetensors", "t.label.safetensors"):
        assert (tmp_path / name).read_bytes() == (unbroken.parent / name).read_bytes()
    assert not (tmp_path / "t.building").exists()


@pytest.mark.slow  # builds that are shared out end in the same bytes in any case (`outcomes/test_building.py`)
def test_shards_are_merged(unbroken: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    there, here = tmp_path / "there" / "t.safetensors", tmp_path / "here" / "t.safetensors"
    options = {"videos": 10, "views": 2, "parts": ("label",), "workers": 1}
    tabulate(ENV, output=there, shard="1/2", **options)
    assert "shard 1/2 is in" in capsys.readouterr().out
    tabulate(ENV, output=here, merge=(there.with_name("t.building"),), **options)
    assert "1 chunks taken from" in capsys.readouterr().out
    assert here.read_bytes() == unbroken.read_bytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shard": "3/2"}, "shard '3/2': expected I/N"),
        ({"shard": "half"}, "expected I/N"),
        ({"workers": 0}, "workers=0: expected at least 1"),
        ({"split": "all"}, "unknown split 'all'"),
        ({"parts": ("scores",)}, "unknown part 'scores': expected some of prediction"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, options: dict[str, object], message: str):
    with pytest.raises(InputError, match=message):
        tabulate(ENV, videos=14, output=tmp_path / "t.safetensors", **options)


def test_too_many_masks_are_refused_before_anything_is_computed(tmp_path: Path):
    with pytest.raises(InputError, match="2,097,152 masks"):
        tabulate("Ada3D-MotionShapes-16-v1", videos=14, output=tmp_path / "t.safetensors")


def test_a_table_that_is_there_is_left_alone_and_another_refused(unbroken: Path, capsys: pytest.CaptureFixture[str]):
    before = unbroken.read_bytes()
    tabulate(ENV, videos=10, views=2, output=unbroken, parts=("label",))
    assert "the table is there" in capsys.readouterr().out
    with pytest.raises(InputError, match=r"holds another table \(its clips_sha256 .* delete it, or choose another"):
        tabulate(ENV, videos=11, views=2, output=unbroken)
    assert unbroken.read_bytes() == before
    assert not unbroken.with_name("t.building").exists()
