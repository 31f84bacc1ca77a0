"""Trains an agent on an environment and judges it on the test videos:

    ada3d train Ada3D-MotionShapes-v1
    ada3d train Ada3D-MotionShapes-v1 --agent ppo --set epochs=4 joint_epochs=2
    ada3d train Ada3D-MotionShapes-v1 --outcomes table --set joint_epochs=0    # no classifier runs until it is judged
    ada3d train Ada3D-FCVID-v0 --checkpoint I3D_8x8_R50.pkl
    ada3d train Ada3D-Kinetics-v0 --checkpoint I3D_8x8_R50.pkl --transfer runs/Ada3D-MiniKinetics-v0-reinforce-seed0
    torchrun --nproc-per-node 8 -m ada3d_gym.experiments.train Ada3D-FCVID-v0 --checkpoint I3D_8x8_R50.pkl --device cuda

Options come from `experiments/configs/DATASET.yaml` (the paper's schedules for its data sets), or another --config,
over those of `agents/presets/AGENT.yaml`; --set replaces single ones. Before the agent, the classifier can be trained
on whole clips (a checkpoint of other classes has a fresh head), and so can the trunk of the selection network.
Where the agent has milestones, as REINFORCE after its first stage, it is judged there too. Everything lands in one
folder; interrupted and started again, the command goes on where its state was last saved: after each epoch, and within
long ones every ten minutes; finished, it prints its results again.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import tyro

from ada3d_gym import parallel
from ada3d_gym.agents.agent import Agent, NoOptions
from ada3d_gym.agents.costs import backbone_macs
from ada3d_gym.agents.fixed import Pretrained, Upper
from ada3d_gym.agents.registry import agent_class
from ada3d_gym.bandit import ClipBandit
from ada3d_gym.building import trunk_backbone
from ada3d_gym.devices import checked_device
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.cli import run
from ada3d_gym.experiments.estimates.showing import fitted
from ada3d_gym.experiments.folders import BusyFolder, check_output, folder_name
from ada3d_gym.experiments.inputs import claimed_by
from ada3d_gym.experiments.judging import Trial, Verdict, load_masks, save_masks
from ada3d_gym.experiments.model_folder import write_config
from ada3d_gym.experiments.pretraining import live_classifier, train_classifier, train_trunk
from ada3d_gym.experiments.profiles import PROFILE, profiled
from ada3d_gym.experiments.results import Result, ResultFile, with_times
from ada3d_gym.experiments.runs import PRETRAINED, Recipe, Run, compose, views_name
from ada3d_gym.experiments.tables import single_table, write_json
from ada3d_gym.experiments.timing import Timed, milliseconds
from ada3d_gym.experiments.training import saving_every, see_alike, train_to, write_once
from ada3d_gym.experiments.transferring import keep_policy, transferred
from ada3d_gym.networks.checkpoints.weights import save_weights
from ada3d_gym.precision import Precision
from ada3d_gym.prediction.config import CLASSIFIER as CLASSIFIER  # in a run's folder: as it has become
from ada3d_gym.prediction.config import CONFIG
from ada3d_gym.profiling import phase


def train(
    env: tyro.conf.Positional[str],
    agent: str | None = None,
    transfer: Path | None = None,
    trust: bool = False,
    config: Path | None = None,
    set: tuple[str, ...] = (),
    data_root: Path | None = None,
    checkpoint: Path | None = None,
    backbone: str | None = None,
    size: int | None = None,
    observation_size: int | None = None,
    videos: int | None = None,
    classes: str | None = None,
    gamma: float | None = None,
    classifier_recipe: Recipe | None = None,
    classifier_epochs: int | None = None,
    classifier_minutes: float | None = None,
    classifier_micro_batch: int | None = None,
    classifier_recompute: tyro.conf.FlagCreatePairsOff[bool] = False,
    scratch: tuple[str, ...] = (),
    trunk: str | None = None,
    trunk_epochs: int | None = None,
    outcomes: str | None = None,
    seed: int = 0,
    device: str = "cpu",
    workers: int | None = None,
    precision: Precision | None = None,
    save_minutes: float | None = None,
    output: Path | None = None,
    json: Path | None = None,
    profile: bool = False,
    profile_trace: bool = False,
) -> None:
    """Trains and judges.

    Args:
        env: a registered id, or module:ID of a data set of your own, whose module is imported.
        agent: a name (reinforce, ppo, a2c, trpo, dqn, qrdqn, sac, best-fixed, …) or module:Class; reinforce by default.
        transfer: in an agent's place, folder of a finished run whose policy is taken, and never changed: the classifier
            is trained under its masks, as in REINFORCE's second stage (the paper's Table 3).
        trust: beside --transfer, import an agent's module that the folder names, and read weights elsewhere that it
            names.
        config: YAML file of settings; experiments/configs/DATASET.yaml by default.
        set: options of the agent, as epochs=3.
        data_root: folder of the videos; what the set's environment variable names by default.
        checkpoint: weights of the 3D network; for MotionShapes, the shipped ones by default. With the recipe scratch,
            those that ship for the backbone, where some do; "random" draws them.
        backbone: the 3D network; the id's own by default. module:factory is one of your own, see docs/own-networks.md.
        size: side of the clips; the paper's by default (224 for training, 256 for testing).
        observation_size: side of the frames that the policy sees; up to 64 pixels it sees through a tiny network, else
            through the paper's. 112 by default, 64 beside tiny and small networks, or the clips' size where that is
            less.
        videos: use the first so many of each split only.
        classes: of MotionShapes, use these only: "a" or "b", halves without a class in common, or names with commas.
        gamma: penalty of a wrong answer (Eq. 4); larger spends more.
        classifier_recipe: finetune trains the classifier on whole clips, from a checkpoint; scratch under random masks,
            for small sets of one's own, from weights that ship for the backbone or from drawn ones.
        classifier_epochs: of the classifier on whole clips, before anything else.
        classifier_minutes: of the recipe scratch, at the most.
        classifier_micro_batch: clips in one pass of the classifier's and the trunk's training, where a batch takes too
            much memory; the schedule stays as it is.
        classifier_recompute: compute the classifier's feature maps anew in its backward pass instead of keeping them:
            less memory for a third more operations.
        scratch: options of the recipe scratch, as clips_3d=20000.
        trunk: weights that the selection network's trunk starts from: a trunk.safetensors or torchvision's MobileNetV2.
        trunk_epochs: of the trunk as a classifier, for agents that see through one.
        outcomes: learn from an outcome table in the classifier's place: table, for the one that ships, or a file of
            `ada3d tabulate --split train`. The network itself is judged in the end. Agents must leave it as it is.
        seed: of everything random.
        device: where networks run.
        workers: threads that decode; the cores of this machine over the processes on it by default.
        precision: of all passes that train a network; weights are float32 in any case. float32 by default.
        save_minutes: between states that are saved within a long epoch, which is gone on with after an interruption; 10
            by default, 0 for each update.
        output: folder of the run; runs/ENV-AGENT-seedN by default.
        json: file that gets the results, too.
        profile: measure where the time goes, and write `profile.json` into the run's folder.
        profile_trace: the same, and `trace-PHASE.json.gz` with every operation of a few batches of each phase.
    """
    checked_device(device)
    given = {"data_root": data_root, "checkpoint": checkpoint, "backbone": backbone, "size": size, "videos": videos}
    given |= {"outcomes": outcomes, "classes": classes, "observation_size": observation_size, "workers": workers}
    if transfer is not None and (agent or trunk or trunk_epochs):
        raise InputError("--agent, --trunk and --trunk-epochs make a policy, and --transfer takes one that is made")
    run_ = compose(
        env,
        agent or "reinforce",
        seed,
        config=config,
        assignments=() if transfer else set,
        environment=given,
        gamma=gamma,
        classifier_recipe=classifier_recipe,
        classifier_epochs=classifier_epochs,
        classifier_micro_batch=classifier_micro_batch,
        classifier_recompute=classifier_recompute or None,
        precision=precision,
        scratch={"minutes": classifier_minutes},
        scratch_assignments=scratch,
        trunk=trunk,
        trunk_epochs=trunk_epochs,
    )
    if transfer is not None:
        run_ = transferred(run_, transfer, assignments=set, trust=trust)
    folder = output or Path("runs") / f"{folder_name(env)}-{folder_name(run_.agent)}-seed{seed}"
    if json is not None:
        check_output(json, "--json")
    finished = is_finished(run_, folder)
    with saving_every(save_minutes):
        results = train_run(run_, folder, device, profile=profile, traced=profile_trace)
    if results:
        print("\n" + single_table(results))
        print(f"\nresults and logs: {folder}")
        if json is not None:
            write_json(json, {result.method: [result] for result in results})
        if finished:
            print(f"finished before: delete {folder} or choose another --output to train again")


def is_finished(run_: Run, folder: Path) -> bool:
    """Whether there is nothing left to do for a run in its folder."""
    if not (folder / CLASSIFIER).exists():
        return False
    return {"Upper", run_.agent} <= ResultFile(folder / "results.jsonl").results.keys()


def train_run(
    run_: Run,
    folder: Path,
    device: str,
    *,
    upper: Path | None = None,
    timed: bool = True,
    profile: bool = False,
    traced: bool = False,
) -> list[Result]:
    """Trains and judges a run in its folder, as far as that has not been done.

    Args:
        run_: as composed.
        folder: its own.
        device: where networks run.
        upper: folder of a run that judges, or has judged, Upper with the same classifier on the same clips: it need not
            be judged again.
        timed: measure time, too, once all is judged; not while other runs are trained on the machine.
        profile, traced: see `ada3d_gym.experiments.profiles.profiled`.

    Returns:
        Those of Upper, milestones and the agent, in this order; none in all processes but the first.
    """
    with parallel.joined(device) as own_device, ExitStack() as stack:
        busy = None
        if parallel.rank() == 0:
            try:
                stack.enter_context(claimed_by(run_, folder))
            except BusyFolder as error:
                busy = str(error)
        if busy := parallel.gather(busy)[0]:
            raise BusyFolder(busy)
        see_alike(folder)
        results = ResultFile(folder / "results.jsonl")
        if not is_finished(run_, folder):
            with profiled(folder / PROFILE, own_device, profile, traced=traced):
                _run(run_, folder, results, own_device, upper, timed)
        elif not (folder / CONFIG).exists():  # a run of before there was one
            _write_config(run_, folder, own_device, results.results.values())
        found = results.results
        return [found[name] for name in run_.methods if name in found] if parallel.rank() == 0 else []


def _run(run_: Run, folder: Path, results: ResultFile, device: str, upper: Path | None, timed: bool) -> None:
    kind = agent_class(run_.agent)
    if parallel.world() > 1 and kind.train_epoch is not Agent.train_epoch and not kind.data_parallel:
        raise InputError(f"{run_.agent} trains in one process: start it without torchrun")
    if parallel.world() > 1 and run_.classifier_recipe == "scratch":
        raise InputError("the recipe scratch trains in one process: start it without torchrun")
    _say_costs(run_, folder)
    passes = fitted(run_, folder, device)
    with phase("trunk"):
        run_ = passes.applied(train_trunk(passes.of_trunk(run_), folder, device))
    bandit = run_.bandit("train", device)
    agent = run_.make_agent(bandit, device)  # what does not fit the clips is noticed before anything is computed
    if agent.total_epochs:
        agent.check_learning()
    if run_.transfer:
        write_once(folder, lambda: keep_policy(run_, folder))
        run_ = keep_policy(run_, folder)
    with phase("classifier"):
        train_classifier(run_, bandit, folder)
    if upper is None:  # before anything else is trained: a test split that is not there is noticed early
        _judge_upper(run_, folder, results, device)
    with phase("agent"):
        train_agent(run_, bandit, folder, device, results)
    if upper is not None and (found := ResultFile(upper / "results.jsonl").results.get("Upper")):
        results.add(found)
    elif upper is not None:
        _judge_upper(run_, folder, results, device)
    if kind is Pretrained:  # it is Upper, and has been judged
        _write_config(run_, folder, device, results.results.values())
        results.add(replace(results.results["Upper"], method=run_.agent))
        parallel.wait()
        return
    _judge_also(run_, run_.agent, None, folder, results, device)
    trial = Trial.prepare(run_, "test", device, checkpoint=folder / CLASSIFIER)
    agent = trial.trained_agent(folder, device)
    result, u, v = _judged(trial, run_.agent, agent, folder)
    if timed and parallel.rank() == 0:
        methods = {"Upper": Timed.everything(trial.bandit), run_.agent: Timed(u, v, agent)}
        for name in run_.milestones.values():
            if name in results.results:
                methods[name] = Timed(*load_masks(folder, name), agent)
        with phase("timed"):
            times = milliseconds(trial.bandit, methods)
        for name in times.keys() - {run_.agent}:
            results.add(with_times(results.results[name], times[name]))
        result = with_times(result, times[run_.agent])
    told = [*results.results.values(), result]
    write_once(folder, lambda: write_config(agent, run_.agent, run_.settings["backbone"], told, folder))
    results.add(result)  # the last line: with it the run is finished
    parallel.wait()  # for the first process, which measured time


def _write_config(run_: Run, folder: Path, device: str, results: Iterable[Result]) -> None:
    """`config.json` of a run that is trained and judged, written by the first process."""
    if parallel.rank() > 0:
        return
    trial = Trial.prepare(run_, "test", device, checkpoint=folder / CLASSIFIER)
    write_config(trial.trained_agent(folder, device), run_.agent, run_.settings["backbone"], results, folder)


def _say_costs(run_: Run, folder: Path) -> None:
    """Which selection network there will be, since that hangs on the frames' size, and what it costs."""
    if not run_.selects or parallel.rank() > 0:
        return
    bandit = run_.bandit("train", "cpu", observation="pixels", outcomes=None)
    everything = (np.ones((1, length), np.bool_) for length in (bandit.num_frames, bandit.num_stages))
    whole, own = int(bandit.classifier.macs(*everything)[0]), backbone_macs(bandit)
    side = bandit.source.observation_size
    print(
        f"{folder.name}: the policy sees {side} x {side} pixels through {trunk_backbone(side)}, which costs "
        f"{own / 1e6:,.2f} million multiply-accumulates a clip: {own / whole:.1%} of the whole classifier's "
        f"{whole / 1e6:,.1f} (--observation-size changes that)",
        flush=True,
    )


def _judge_upper(run_: Run, folder: Path, results: ResultFile, device: str) -> None:
    """The paper's Upper: the classifier before the agent."""
    if "Upper" not in results.results:
        _judge_also(run_, "Upper", Upper, folder, results, device)
        trial = Trial.prepare(run_, "test", device, checkpoint=folder / PRETRAINED)
        results.add(trial.judge("Upper", Upper(trial.bandit, NoOptions()), folder).result)


def _judge_also(
    run_: Run, method: str, kind: type[Upper] | None, folder: Path, results: ResultFile, device: str
) -> None:
    """Judges what the folder holds, or Upper, by other numbers of clips, where the run asks for that."""
    for views in run_.also_views:
        if (name := views_name(method, views)) not in results.results:
            checkpoint = folder / (CLASSIFIER if kind is None else PRETRAINED)
            trial = Trial.prepare(run_, "test", device, checkpoint=checkpoint, views=views)
            agent = trial.trained_agent(folder, device) if kind is None else kind(trial.bandit, NoOptions())
            results.add(_judged(trial, name, agent, folder).result)
            trial.bandit.source.close()


def _judged(trial: Trial, method: str, agent: Agent, folder: Path) -> Verdict:
    """Judges an agent and keeps its masks."""
    verdict = trial.judge(method, agent, folder, state=folder / "agent.pt")
    write_once(folder, lambda: save_masks(folder, method, verdict))
    return verdict


def train_agent(run_: Run, bandit: ClipBandit, folder: Path, device: str, results: ResultFile) -> None:
    """Trains the agent, from its last epoch in the folder, and writes it and the classifier as it has become.

    At its milestones it is judged too.
    """
    agent, classifier = run_.make_agent(bandit, device), live_classifier(run_, bandit)

    def write() -> None:
        agent.save(folder / "agent.pt")
        agent.export(folder)
        save_weights(classifier.network, folder / CLASSIFIER)

    for epoch, method in run_.milestones.items():
        train_to(folder, "agent", agent, epoch)
        if agent.epoch == epoch and method not in results.results:
            write_once(folder, write)
            _judge_also(run_, method, None, folder, results, device)
            trial = Trial.prepare(run_, "test", device, checkpoint=folder / CLASSIFIER)
            results.add(_judged(trial, method, trial.trained_agent(folder, device), folder).result)
            trial.bandit.source.close()
    train_to(folder, "agent", agent, agent.total_epochs)
    write_once(folder, write)
    bandit.source.close()


if __name__ == "__main__":
    run(train)
