"""Exported folders: held to the run, to `evaluate` and to `Predictor`; whole or not at all."""

from __future__ import annotations

import errno
import inspect
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from ada3d_gym.bandit import ClipBandit
from ada3d_gym.building import build_bandit
from ada3d_gym.errors import InputError
from ada3d_gym.evaluation import evaluate
from ada3d_gym.experiments import export as exporting
from ada3d_gym.experiments import exported_graphs, onnx_example
from ada3d_gym.experiments.export import export
from ada3d_gym.experiments.judging import load_masks
from ada3d_gym.experiments.pipeline import train_run
from ada3d_gym.experiments.runs import compose
from ada3d_gym.files import OutputError
from ada3d_gym.networks.checkpoints.weights import read_metadata
from ada3d_gym.networks.graph_files import TOLERANCE, GraphError
from ada3d_gym.networks.selection_file import load_selection, save_selection
from ada3d_gym.prediction import Predictor
from ada3d_gym.prediction.config import ModelConfig
from ada3d_gym.prediction.policies import NetworkPolicy
from ada3d_gym.video.clips import VideoClips
from tests.processes import ROOT, run

ID, VIDEOS = "Ada3D-MotionShapes-v1", 14


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ClipBandit]:
    """A run's folder and its test clips.

    Without any training every stage is on for every clip; one stage's bias is moved so that it is on for half of
    the clips.
    """
    folder = tmp_path_factory.mktemp("runs") / "run"
    untrained = compose(ID, "reinforce", 0, environment={"videos": VIDEOS}, options={"epochs": 0, "joint_epochs": 0})
    train_run(untrained, folder, "cpu", timed=False)
    bandit = build_bandit(split="test", videos=VIDEOS, checkpoint=folder / "classifier.safetensors")
    selection = load_selection(folder / "selection.safetensors")
    everything = bandit.source.observations(np.arange(len(bandit.source)))
    with torch.no_grad():
        logits = selection(torch.from_numpy(everything)).stages
        selection.stage_head.bias[3] -= logits[:, 3].median()
    save_selection(selection, folder / "selection.safetensors", bandit.classifier.stage_names, 32)
    verdict = evaluate(bandit, NetworkPolicy(selection, 32).act)
    np.savez(folder / "masks-reinforce.npz", u=verdict.u, v=verdict.v)
    return folder, bandit


@pytest.fixture(scope="module")
def exported(finished: tuple[Path, ClipBandit]) -> Path:
    folder = finished[0].with_name("exported")
    export(finished[0], folder)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_has_a_graph_for_each_stage_mask_of_the_policy(finished: tuple[Path, ClipBandit], exported: Path):
    _, v = load_masks(finished[0], "reinforce")
    used = {"".join("01"[bit] for bit in row) for row in v.astype(int)}
    assert len(used) > 1
    names = {path.name for path in (exported / "graphs").iterdir()}
    assert names == {"selection.onnx", *(f"classifier-{mask}.onnx" for mask in {*used, "11111"})}
    told = json.loads((exported / "export.json").read_text())
    assert {each["file"] for each in told["graphs"]} == {f"graphs/{name}" for name in names}
    assert all(0 <= each["difference"] < TOLERANCE for each in told["graphs"])
    assert sum(each["share"] for each in told["graphs"] if each["stages"]) == pytest.approx(1)
    assert set(told["files"]) == set(contents(exported))
    assert json.loads(read_metadata(exported / "classifier.safetensors")["class_names"])[0] == "stripes"


def test_graphs_answer_as_evaluate_and_predictor_do(finished: tuple[Path, ClipBandit], exported: Path):
    _, bandit = finished
    clips = bandit.source
    assert isinstance(clips, VideoClips)
    ids = np.arange(len(clips))
    model = onnx_example.Model(exported)
    scores = model.scores(clips.clips(ids), clips.observations(ids))

    verdict = evaluate(bandit, NetworkPolicy(load_selection(exported / "selection.safetensors"), 32).act)
    for got, expected in zip(model.masks(clips.observations(ids)), (verdict.u, verdict.v), strict=True):
        np.testing.assert_array_equal(got, expected)
    by_video = scores.reshape(VIDEOS, clips.views, -1).mean(1)
    labels = clips.targets(ids).argmax(1)[:: clips.views]
    assert (by_video.argmax(1) == labels).mean() == pytest.approx(verdict.top1)
    np.testing.assert_allclose(scores, bandit.classifier.scores(clips.clips(ids), verdict.u, verdict.v), atol=1e-4)

    predictions = Predictor.from_pretrained(exported)([record.path for record in clips.records])
    np.testing.assert_allclose(by_video, [each.scores for each in predictions], atol=1e-4)
    masks = [clip.frame_mask for each in predictions for clip in each.clips]
    np.testing.assert_array_equal(masks, verdict.u)


def test_a_rare_mask_goes_through_every_stage(finished: tuple[Path, ClipBandit], exported: Path, tmp_path: Path):
    clips = finished[1].source
    ids = np.arange(len(clips))
    _, v = load_masks(finished[0], "reinforce")
    rare = next(row for row in v if not row.all())
    moved = Path(shutil.copytree(exported, tmp_path / "moved"))
    (moved / "graphs" / f"classifier-{''.join('01'[bit] for bit in rare.astype(int))}.onnx").unlink()
    instead = np.where((v == rare).all(1, keepdims=True), True, v)
    u = load_masks(finished[0], "reinforce")[0]
    got = onnx_example.Model(moved).scores(clips.clips(ids), clips.observations(ids))
    np.testing.assert_allclose(got, finished[1].classifier.scores(clips.clips(ids), u, instead), atol=1e-4)


LOADS = """
import sys
from ada3d_gym.prediction import Predictor
predictor = Predictor.from_pretrained(sys.argv[1])
print(*predictor.class_names[:2], predictor.policy.macs > 0)
known = [name for name in sys.modules if name.startswith(("ada3d_gym.agents", "ada3d_gym.experiments", "onnx"))]
assert not known, known
"""
RUNS = """
import sys
import numpy as np
source, folder = sys.argv[1:]
names = {}
exec(open(source).read(), names)
noise = np.random.default_rng(0).integers(0, 256, (3, 8, 3, 32, 32), np.uint8)
print(names["Model"](folder).scores(noise, noise).sum(1).round(3))
assert not {"torch", "ada3d_gym"} & sys.modules.keys()
"""


def test_it_needs_nothing_but_the_library_or_onnxruntime(exported: Path, tmp_path: Path):
    moved = str(shutil.copytree(exported, tmp_path / "moved"))
    assert run("-c", LOADS, moved) == "stripes checkerboard True\n"
    assert run("-c", RUNS, str(onnx_example.__file__), moved) == "[1. 1. 1.]\n"
    assert inspect.getsource(onnx_example).strip() in (ROOT / "docs" / "exporting.md").read_text()


def test_the_card_has_the_figures_of_the_run_and_nothing_of_this_machine(
    finished: tuple[Path, ClipBandit], exported: Path
):
    card = (exported / "README.md").read_text()
    _, head, body = card.split("---\n", 2)
    own, upper = (ModelConfig.load(finished[0]).figures[name] for name in ("reinforce", "Upper"))
    (result,) = yaml.safe_load(head)["model-index"][0]["results"]
    metrics = {each["type"]: each["value"] for each in result["metrics"]}
    assert metrics["accuracy"] == own["top1"]
    total = own["macs"] + own["macs_selection"]
    assert metrics["gmacs"] == pytest.approx(total / 1e9, abs=1e-6)
    rows = {line.split("|")[1].strip(): line for line in body.splitlines() if line.startswith("|")}
    assert f"{total / 1e6:.2f} " in rows["**reinforce**"]
    assert f"{upper['macs'] / 1e6:.2f} " in rows["Upper"]
    assert f"{100 * total / upper['macs']:.1f} %" in rows["**reinforce**"]
    less = 100 * (1 - total / upper["macs"])
    assert f"{abs(less):.1f} % {'fewer' if less >= 0 else 'more'} operations" in body
    assert "No rival stands here" in body
    for name, content in contents(exported).items():
        assert str(finished[0].parent).encode() not in content, name
        assert str(ROOT).encode() not in content, name


def test_rivals_stand_beside(finished: tuple[Path, ClipBandit], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    rival = tmp_path / "rival"
    train_run(compose(ID, "uniform", 0, environment={"videos": VIDEOS}), rival, "cpu", timed=False)
    export(finished[0], tmp_path / "out", graphs=("none",), beside=(rival,))
    assert (tmp_path / "out" / "README.md").read_text().count("| uniform ") == 1
    assert "uniform" in ModelConfig.load(tmp_path / "out").figures
    assert not (tmp_path / "out" / "graphs").exists()

    start = tmp_path / "start"  # as `ada3d start` leaves it
    shutil.copytree(finished[0], start / "model")
    shutil.copytree(rival, start / "rivals" / "best-fixed")
    export(start / "model", tmp_path / "started", graphs=("none",))
    assert (tmp_path / "started" / "README.md").read_text().count("| uniform ") == 1
    with pytest.raises(InputError, match=r"start holds more than a model: give .*start/model"):
        export(start, tmp_path / "more", graphs=("none",))

    # the rival itself is one mask for all clips: no selection network, one graph and the one with every stage on
    export(rival, tmp_path / "constant", graphs=("torch",))
    config = ModelConfig.load(tmp_path / "constant")
    assert config.policy.kind == "constant"
    mask = "".join(map(str, config.policy.stages))
    names = {path.name for path in (tmp_path / "constant" / "graphs").iterdir()}
    assert names == {f"classifier-{each}.pt2" for each in {mask, "11111"}}

    path = rival / "results.jsonl"
    path.write_text(path.read_text().replace('"videos_sha256": "', '"videos_sha256": "0'))
    with pytest.raises(InputError, match=r"--beside .*rival: judged on other clips \(videos_sha256 0"):
        export(finished[0], tmp_path / "other", graphs=("none",), beside=(rival,))


def test_which_masks_get_a_graph(finished: tuple[Path, ClipBandit]):
    config = ModelConfig.load(finished[0])
    v = np.array([[1, 0, 1, 0, 1]] * 150 + [[0, 0, 0, 0, 0]] * 49 + [[1, 1, 0, 0, 0]], bool)
    u = np.ones((200, 8), bool)
    u[150:199, 3:] = False
    masks = exported_graphs.stage_masks(config, u, v)
    assert [(mask.name, mask.share, mask.frames) for mask in masks] == [
        ("10101", 0.75, 8),
        ("00000", 0.245, 3),
        ("11111", 0, 0),
    ]
    every = exported_graphs.stage_masks(config, u, v, every=True)
    assert len({mask.bits for mask in every}) == len(every) == 32
    assert [mask.name for mask in every][:4] == ["10101", "00000", "11000", "11111"]


def test_an_earlier_export_is_replaced_and_nothing_else(finished: tuple[Path, ClipBandit], tmp_path: Path):
    out = tmp_path / "out"
    out.mkdir()
    for _ in range(2):  # into an empty folder, and over an export
        export(finished[0], out, graphs=("none",))
    before = contents(out)
    (out / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"out holds mine.txt, which no export wrote: move it away, or choose"):
        export(finished[0], out, graphs=("none",))
    assert contents(out) == {**before, "mine.txt": b"mine"}
    for folder in (finished[0], tmp_path):
        with pytest.raises(OutputError, match="holds files, and no earlier export: choose another OUT"):
            export(finished[0], folder, graphs=("none",))
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file is no folder: choose another OUT"):
        export(finished[0], tmp_path / "file", graphs=("none",))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "out"]


def test_it_is_written_whole_or_not_at_all(
    finished: tuple[Path, ClipBandit], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    out = tmp_path / "out"
    export(finished[0], out, graphs=("none",))
    before = contents(out)

    def differs(*arguments: object, **options: object) -> float:
        raise GraphError("selection.pt2 is 0.5 off its network")

    def full(*arguments: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(exported_graphs, "check_selection", differs)
    with pytest.raises(GraphError):
        export(finished[0], out, graphs=("torch",))
    monkeypatch.setattr(exporting, "model_card", full)
    with pytest.raises(OutputError, match=r"new cannot be written \(No space left on device\): free some space"):
        export(finished[0], tmp_path / "new", graphs=("none",))
    assert contents(out) == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_cannot_be_exported(finished: tuple[Path, ClipBandit], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    out = tmp_path / "out"
    with pytest.raises(InputError, match="none stands for no graphs: give it alone"):
        export(finished[0], out, graphs=("none", "onnx"))
    with pytest.raises(InputError, match="no such folder; expected a finished run's"):
        export(tmp_path / "nowhere", out)
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(InputError, match=r"ONNX graphs need onnxscript.*pip install 'ada3d-gym\[export\]'"):
        export(finished[0], out)
    copy = Path(shutil.copytree(finished[0], tmp_path / "copy"))
    config = json.loads((copy / "config.json").read_text()) | {"policy": {"kind": "agent", "agent": "ppo"}}
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="its masks are those of the agent 'ppo', which only its own code can make"):
        export(copy, out, graphs=("none",))
    copy = Path(shutil.copytree(finished[0], tmp_path / "without results"))
    (copy / "results.jsonl").unlink()
    with pytest.raises(InputError, match=r"results\.jsonl holds no result of .*: copy the run's folder again, whole"):
        export(copy, out, graphs=("none",))
    assert not out.exists()
