"""A run from beginning to end, in its folder: trunk, classifier and agent are trained, and the results judged."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np

from ada3d_gym import parallel
from ada3d_gym.agents.agent import Agent, NoOptions
from ada3d_gym.agents.costs import backbone_macs
from ada3d_gym.agents.fixed import Pretrained, Upper
from ada3d_gym.agents.registry import agent_class
from ada3d_gym.bandit import ClipBandit
from ada3d_gym.building import trunk_backbone
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.estimates.showing import fitted
from ada3d_gym.experiments.folders import BusyFolder
from ada3d_gym.experiments.inputs import claimed_by
from ada3d_gym.experiments.judging import Trial, Verdict, load_masks, save_masks
from ada3d_gym.experiments.model_folder import write_config
from ada3d_gym.experiments.pretraining import live_classifier, train_classifier, train_trunk
from ada3d_gym.experiments.profiles import PROFILE, profiled
from ada3d_gym.experiments.results import Result, ResultFile, with_times
from ada3d_gym.experiments.runs import PRETRAINED, Run, views_name
from ada3d_gym.experiments.saying import say
from ada3d_gym.experiments.timing import Timed, milliseconds
from ada3d_gym.experiments.training import see_alike, train_to, write_once
from ada3d_gym.experiments.transferring import keep_policy
from ada3d_gym.networks.checkpoints.weights import save_weights
from ada3d_gym.prediction.config import CLASSIFIER, CONFIG
from ada3d_gym.profiling import phase


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
    say(
        folder,
        f"the policy sees {side} x {side} pixels through {trunk_backbone(side)}, which costs "
        f"{own / 1e6:,.2f} million multiply-accumulates a clip: {own / whole:.1%} of the whole classifier's "
        f"{whole / 1e6:,.1f} (--observation-size changes that)",
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
