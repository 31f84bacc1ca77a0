"""The commands that train and judge any agent, from configuration files and the command line."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from ada3d_gym.agents.registry import AGENTS, agent_options
from ada3d_gym.building import build_bandit
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.evaluate import evaluate
from ada3d_gym.experiments.reading_runs import read_run
from ada3d_gym.experiments.runs import compose
from ada3d_gym.experiments.train import train
from ada3d_gym.registration import ENVIRONMENTS
from ada3d_gym.shipped import CLASSIFIER, SELECTION
from tests.experiments.lines import read, timeless

MOTION = "Ada3D-MotionShapes-v1"
EACH_SET = {settings["dataset"]: name for name, settings in reversed(ENVIRONMENTS.items())}.values()


# Of a data set, all ids read the same file: one of them for every agent, and every one for the agent of the paper.
PAIRS = [
    pytest.param(env, agent, marks=[pytest.mark.slow] * (env not in EACH_SET and agent != "reinforce"))
    for env in ENVIRONMENTS
    for agent in AGENTS
]


@pytest.mark.parametrize(("env", "agent"), PAIRS)
def test_every_id_has_a_configuration_for_every_agent(env: str, agent: str):
    made = compose(env, agent, 0)
    assert made.options == json.loads(json.dumps(asdict(agent_options(agent, made.options))))


PAPERS = ("FCVID", "ActivityNet", "MiniKinetics", "MiniKineticsAdaFocus", "Kinetics")


@pytest.mark.parametrize("name", PAPERS)
def test_the_papers_data_sets_have_what_its_text_says(name: str):
    options = compose(f"Ada3D-{name}-v0", "reinforce", 0).options
    assert (options["epochs"], options["joint_epochs"]) == (40, 60)
    assert (options["batch_size"], options["joint_batch_size"], options["optimizer"]) == (256, 64, "sgd")
    assert (options["lr"], options["trunk_lr"], options["samples"]) == (1e-4, 1e-4, 1)
    assert (options["exploration"], options["final_exploration"]) == (1, 1)
    assert (options["entropy"], options["final_entropy"], options["aggregation"]) == (0, 0, "uniform")


def test_a_preset_is_chosen_among_the_options_and_the_others_go_over_it():
    made = compose(MOTION, "reinforce", 0, assignments=("preset=paper", "epochs=2")).options
    assert (made["samples"], made["epochs"], made["joint_epochs"]) == (1, 2, 60)
    ours = compose("Ada3D-FCVID-v0", "reinforce", 0, assignments=("preset=null",)).options
    assert ours == compose(MOTION, "reinforce", 0).options
    with pytest.raises(InputError, match="option of reinforce: unknown preset 'papre': expected one of paper"):
        compose(MOTION, "reinforce", 0, assignments=("preset=papre",))
    with pytest.raises(InputError, match="option of ppo: unknown preset 'paper': ppo has no other than its own"):
        compose(MOTION, "ppo", 0, assignments=("preset=paper",))


@pytest.mark.parametrize("name", [*PAPERS, "Videos"])
def test_the_classifier_is_trained_whole_where_its_checkpoint_is_anothers(name: str):
    made = compose(f"Ada3D-{name}-v0", "reinforce", 0)
    assert (made.classifier_batch_norm, made.classifier_dropout) == ("train", 0.5)
    assert made.classifier_epochs > 0


@pytest.mark.parametrize("choice", ["train", "frozen"])
def test_statistics_are_trained_where_the_configuration_says_so(tmp_path: Path, choice: str):
    config = tmp_path / "mine.yaml"
    config.write_text(f"classifier_epochs: 1\nclassifier_batch_norm: {choice}\nclassifier_dropout: 0.5\n")
    train(MOTION, "upper", config=config, videos=14, output=tmp_path / "run")
    trained, shipped = (load_file(path) for path in (tmp_path / "run" / "pretrained.safetensors", CLASSIFIER))
    assert torch.equal(trained["stem.norm.running_mean"], shipped["stem.norm.running_mean"]) is (choice == "frozen")
    assert not torch.equal(trained["head.weight"], shipped["head.weight"])
    config.write_text("classifier_batch_norm: thawed")
    with pytest.raises(InputError, match=r"setting in mine.yaml: classifier_batch_norm: .*'train' or 'frozen'"):
        compose(MOTION, "upper", 0, config=config)


def test_activitynet_is_judged_as_its_official_tool_judges():
    assert compose("Ada3D-ActivityNet-v0", "reinforce", 0).interpolated_map
    assert not compose("Ada3D-FCVID-v0", "reinforce", 0).interpolated_map


def test_a_runs_map_is_interpolated_where_its_configuration_says_so(tmp_path: Path):
    config = tmp_path / "mine.yaml"
    found = {}
    for choice in ("true", "false"):
        config.write_text(f"interpolated_map: {choice}\n")
        path = tmp_path / f"{choice}.jsonl"
        evaluate(MOTION, agent="uniform", set=("frames=1",), config=config, videos=56, output=path)
        found[choice] = json.loads(path.read_text())["map"]
    assert found["true"] > found["false"]


def test_the_command_line_replaces_the_file_and_the_file_the_preset(tmp_path: Path):
    config = tmp_path / "mine.yaml"
    config.write_text("gamma: 2.5\nagents: {ppo: {epochs: 5, lr: 0.01}}\nenvironment: {cost: macs}\n")
    made = compose(MOTION, "ppo", 7, config=config, assignments=("epochs=6",), environment={"videos": 28})
    assert (made.gamma, made.seed) == (2.5, 7)
    assert (made.options["epochs"], made.options["lr"], made.options["joint_epochs"]) == (6, 0.01, 8)
    assert made.environment == {"cost": "macs", "videos": 28}
    assert compose(MOTION, "ppo", 7, config=config, gamma=4.0).gamma == 4.0


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("gama: 1", "unknown setting in mine.yaml: gama; expected some of gamma"),
        ("gamma: big", "setting in mine.yaml: gamma: .*'big'"),
        ("- 1", "expected names and values, got list"),
        ("a: [", "not a readable YAML file"),
        ("gamma: 2021-13-45", "not a readable YAML file"),
        ("1: 2", "unknown setting in mine.yaml: 1"),
        ("clasifier_lr: 1", r"\; did you mean classifier_lr\?"),
        ("agents: {poo: {epochs: 1}}", r"unknown agent in mine.yaml: poo; did you mean ppo\?"),
        ("environment: {device: cuda}", "environment in mine.yaml has device"),
        ("classifier_batch: 0", "setting in mine.yaml: classifier_batch=0: expected at least 1"),
        ("classifier_lr: .nan", "classifier_lr=nan: expected a finite number"),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, content: str, complaint: str):
    (tmp_path / "mine.yaml").write_text(content)
    with pytest.raises(ValueError, match=complaint):
        compose(MOTION, "ppo", 0, config=tmp_path / "mine.yaml")


def test_a_file_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(InputError, match=r"none\.yaml: no such file"):
        compose(MOTION, "ppo", 0, config=tmp_path / "none.yaml")


def test_what_is_misspelt_is_guessed():
    with pytest.raises(InputError, match=r"unknown option of ppo: epoch; .*; did you mean epochs\?"):
        compose(MOTION, "ppo", 0, assignments=("epoch=3",))
    with pytest.raises(InputError, match=r"unknown agent 'reinforced'.*; did you mean reinforce\?"):
        compose(MOTION, "reinforced", 0)
    with pytest.raises(InputError, match=r"; did you mean Ada3D-MotionShapes-v1"):
        compose("Ada3D-MotionShape-v0", "ppo", 0)
    with pytest.raises(InputError, match=r"option of reinforce: exploration=0.1: expected .*[^}]$"):
        compose(MOTION, "reinforce", 0, assignments=("exploration=0.1",))
    for name in (":Policy", "mine:", ".mine:Policy", "mine:a b"):
        with pytest.raises(InputError, match="expected module:Class"):
            compose(MOTION, name, 0)


def test_wrong_arguments_are_named():
    for name in ("classifier_epochs", "trunk_epochs"):
        with pytest.raises(InputError, match=f"{name}=-1: expected at least 0"):
            compose(MOTION, "ppo", 0, **{name: -1})
    with pytest.raises(ValueError, match="unknown environment 'Ada3D-Moon-v0': expected one of Ada3D-MotionShapes-v1"):
        compose("Ada3D-Moon-v0", "ppo", 0)
    with pytest.raises(ValueError, match="'epochs': expected an option of the agent as name=value"):
        compose(MOTION, "ppo", 0, assignments=("epochs",))
    with pytest.raises(ValueError, match=r"'stages=\[0,': not a value; one with spaces needs quotes"):
        compose(MOTION, "uniform", 0, assignments=("stages=[0,", "1]"))
    with pytest.raises(ValueError, match=r"unknown argument for motionshapes: cots; expected some of .*views.*cost"):
        compose(MOTION, "uniform", 0, environment={"cots": "macs"}).bandit("test", "cpu")
    with pytest.raises(ValueError, match="'runs/nothere' is neither the folder of a run nor a registered id"):
        evaluate("runs/nothere")


def test_an_attempt_that_failed_at_once_is_in_nobodys_way(tmp_path: Path):
    with pytest.raises(ValueError, match="videos=-5: expected a whole number of at least 1"):
        train(MOTION, "uniform", videos=-5, output=tmp_path / "run")
    train(MOTION, "uniform", videos=14, output=tmp_path / "run")
    assert read_run(tmp_path / "run").environment["videos"] == 14


def test_an_agent_of_ones_own_is_trained_and_judged_by_the_same_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "mine.py").write_text(
        "import numpy as np\n"
        "from agents.agent import Agent\n\n"
        "class First(Agent):\n"
        "    total_epochs = 2\n\n"
        "    def act(self, observations, deterministic=True):\n"
        "        masks = np.zeros((len(observations), 13), np.int8)\n"
        "        masks[:, 0] = 1\n"
        "        return masks\n\n"
        "    def train_epoch(self):\n"
        "        return {'seen': 1.0}\n\n"
        "    def state_dict(self):\n"
        "        return {'epoch': self.epoch}\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    folder = tmp_path / "run"
    train(MOTION, agent="mine:First", videos=14, output=folder)
    lines = read(folder / "results.jsonl")
    assert lines["Upper"]["frames"] == 8
    assert lines["mine:First"]["frames"] == 1
    assert lines["mine:First"]["run"]["env"] == MOTION
    assert set(lines["mine:First"]["by_family"]) == {"scene", "object", "motion"}
    assert len(lines["mine:First"]["by_class"]) == 14


@pytest.mark.parametrize(
    ("agent", "own"),
    [
        ("reinforce", ("samples=2",)),
        pytest.param("reinforce", ("preset=paper",), marks=pytest.mark.slow),
        ("a2c", ("num_envs=4", "n_steps=2", "classifier_batch=4")),
    ],
)
def test_a_trained_run_is_judged_again_alike(tmp_path: Path, agent: str, own: tuple[str, ...]):
    folder = tmp_path / "run"
    options = ("epochs=1", "joint_epochs=1", *own)
    train(MOTION, agent, videos=14, trunk_epochs=1, set=options, output=folder)
    first = read(folder / "results.jsonl")[agent]
    evaluate(str(folder), output=tmp_path / "again.jsonl")
    again = read(tmp_path / "again.jsonl")[agent]
    assert timeless(first) == timeless(again)
    trunk, shipped = (load_file(path) for path in (folder / "trunk.safetensors", SELECTION))
    assert any(not torch.equal(value, shipped[key]) for key, value in trunk.items())
    build_bandit(videos=14, observation="features", features=folder / "trunk.safetensors")  # of either aggregation
    assert read_run(folder).environment["features"] == str(folder / "trunk.safetensors")
    assert (folder / {"reinforce": "selection.safetensors", "a2c": "agent.zip"}[agent]).exists()
    train(MOTION, agent, videos=14, trunk_epochs=1, set=options, output=folder)  # all done: shown once more
    with pytest.raises(ValueError, match=r"holds another run \(options\.epochs: 1 there, 2 now\)"):
        train(MOTION, agent, videos=14, trunk_epochs=1, set=("epochs=2", "joint_epochs=1", *own), output=folder)
    with pytest.raises(ValueError, match="its agent, options and configuration are fixed"):
        evaluate(str(folder), agent="upper")


def test_a_reference_is_judged_untrained_and_a_learner_is_not(tmp_path: Path):
    path = tmp_path / "results.jsonl"
    evaluate(MOTION, agent="uniform", set=("frames=4", "stages=[0, 1]"), videos=14, output=path)
    (line,) = map(json.loads, path.read_text().splitlines())
    assert (line["frames"], line["stages"], line["method"]) == (4, 2, "uniform frames=4 stages=[0, 1]")
    with pytest.raises(ValueError, match="ppo has to be trained"):
        evaluate(MOTION, agent="ppo", videos=14, output=path)
    with pytest.raises(ValueError, match="holds no run of 'ada3d train'"):
        evaluate(str(tmp_path))


def test_reinforce_is_judged_after_its_first_stage_too(tmp_path: Path):
    options = ("epochs=1", "joint_epochs=1", "samples=2")
    folder = tmp_path / "run"
    train(MOTION, videos=14, set=options, output=folder, json=tmp_path / "results.json")
    lines = read(folder / "results.jsonl")
    assert lines.keys() == {"Upper", "reinforce, stage 1 only", "reinforce"}
    upper, first, last = (lines[name] for name in ("Upper", "reinforce, stage 1 only", "reinforce"))
    weights = [line["judged"]["checkpoint_sha256"] for line in (upper, first, last)]
    assert weights[0] == weights[1] != weights[2]  # the classifier is trained in the second stage
    for line in (first, last):
        assert line["gmacs_selection"] > 0
        assert 0 < line["milliseconds_selection"] < line["milliseconds"]
    assert upper["milliseconds_selection"] == 0 < upper["milliseconds"]
    written = json.loads((tmp_path / "results.json").read_text())
    assert [row["method"] for row in written["tables"][0]["rows"]] == ["Upper", "reinforce, stage 1 only", "reinforce"]
    assert written["results"][2]["top1"] == last["top1"]

    one_stage = tmp_path / "one"
    train(MOTION, videos=14, set=("epochs=1", "joint_epochs=0", "samples=2"), output=one_stage)
    assert read(one_stage / "results.jsonl").keys() == {"Upper", "reinforce"}


def test_a_run_interrupted_between_its_stages_is_judged_there_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    options = ("epochs=1", "joint_epochs=1", "samples=2")
    train(MOTION, videos=14, set=options, output=tmp_path / "whole")

    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("ada3d_gym.agents.ada3d.Ada3D.export", interrupted)  # after the first stage, before it is judged
        with pytest.raises(KeyboardInterrupt):
            train(MOTION, videos=14, set=options, output=tmp_path / "broken")
    assert read(tmp_path / "broken" / "results.jsonl").keys() == {"Upper"}
    train(MOTION, videos=14, set=options, output=tmp_path / "broken")
    whole, broken = (read(tmp_path / name / "results.jsonl") for name in ("whole", "broken"))
    for name in ("reinforce, stage 1 only", "reinforce"):
        assert (broken[name]["top1"], broken[name]["reward"]) == (whole[name]["top1"], whole[name]["reward"])


@pytest.mark.parametrize(
    ("agent", "own"),
    [
        pytest.param("fixed", ("mask=0101010100011",), marks=pytest.mark.slow),
        ("random", ("frames=3", "stages=0.5")),
    ],
    ids=str,
)
def test_a_classifier_is_fine_tuned_under_masks_that_look_at_nothing(tmp_path: Path, agent: str, own: tuple[str, ...]):
    for epochs in (0, 1):
        folder = tmp_path / str(epochs)
        train(MOTION, agent, videos=14, set=(*own, f"joint_epochs={epochs}"), output=folder)
        before, after = (
            load_file(folder / f"{name}.safetensors")["head.weight"] for name in ("pretrained", "classifier")
        )
        assert torch.equal(before, after) is (epochs == 0)
        evaluate(str(folder), output=tmp_path / f"{epochs}.jsonl")
        assert timeless(read(tmp_path / f"{epochs}.jsonl")[agent]) == timeless(read(folder / "results.jsonl")[agent])


@pytest.mark.parametrize(
    ("agent", "wrong", "right"),
    [("fixed", "mask=01", "mask=0101010100011"), ("random", "frames=[.nan,1,1,1,1,1,1,1]", "frames=3")],
)
def test_an_option_that_does_not_fit_the_clips_leaves_the_folder_free(
    agent: str, wrong: str, right: str, tmp_path: Path
):
    with pytest.raises(ValueError, match=wrong.partition("=")[0]):
        train(MOTION, agent, set=(wrong,), videos=14, output=tmp_path)
    train(MOTION, agent, set=(right,), videos=14, output=tmp_path)
