"""Records of the runs of the full track, for reports."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ada3d_gym.agents.agent import Agent
from ada3d_gym.agents.blind import BlindAgent
from ada3d_gym.agents.registry import agent_class
from ada3d_gym.experiments.benchmark.full_runs import Rows
from ada3d_gym.experiments.benchmark.jobs import record_path
from ada3d_gym.experiments.benchmark.record import Feedback, Record, Standing, pack_masks
from ada3d_gym.experiments.benchmark.suite import BenchmarkTask
from ada3d_gym.experiments.judging import Trial, load_masks
from ada3d_gym.experiments.plan import Row
from ada3d_gym.experiments.reading_runs import read_run
from ada3d_gym.experiments.runs import Run
from ada3d_gym.experiments.training import SECONDS
from ada3d_gym.masks import join_mask
from ada3d_gym.outcomes.identity import clips_sha256, sampling_of, video_digests
from ada3d_gym.video.clips import VideoClips


def write_records(suite: str, task: BenchmarkTask, rows: Rows, output: Path) -> None:
    """The record of every run of a task, where the benchmark has it.

    Args:
        suite: its name.
        task: whose runs they are.
        rows: all of them finished.
        output: of the benchmark.
    """
    some = next(iter(next(iter(rows.values())).values()))
    maker = _Maker(suite, task, read_run(some.folder, trust=True))
    for method, members in rows.items():
        for seed, row in members.items():
            maker.record(method, seed, row).write(record_path(output, suite, "full", task.name, method, seed))


class _Maker:
    """Makes records of a task's runs, which have all been judged on the same clips."""

    def __init__(self, suite: str, task: BenchmarkTask, run_: Run):
        self.suite, self.task = suite, task
        self._bandit = Trial.prepare(run_, "test", "cpu").bandit
        clips = self._bandit.source
        assert isinstance(clips, VideoClips)
        self._clips_sha256 = clips_sha256(sampling_of(clips), video_digests(clips))
        self._known_pulls: dict[str, int] = {}

    def record(self, method: str, seed: int, row: Row) -> Record:
        """A run's; its `pulls` are those that the agent says its epochs take."""
        result, run_ = row.result, read_run(row.folder, trust=True)
        learns = row.line != "Upper"
        u, v = load_masks(row.folder, row.line if learns else run_.agent)
        if not learns:
            u, v = np.ones_like(u), np.ones_like(v)
        feedback = _feedback(run_) if learns else "none"
        macs = self._bandit.classifier.macs(u, v)
        assert result.reward is not None
        assert result.clip_top1 is not None
        return Record(
            suite=self.suite,
            task=self.task,
            track="full",
            agent=method,
            seed=seed,
            options=run_.options if learns else {},
            feedback=feedback,
            pulls=self._pulls(method, run_) if feedback == "bandit" else 0,
            macs_selection=round(1e9 * result.gmacs_selection),
            test=Standing(
                result.reward, result.clip_top1 / 100, float(macs.mean()), result.distinct_masks, result.regret
            ),
            train=None,
            curve=(),
            num_frames=u.shape[1],
            num_stages=v.shape[1],
            masks=pack_masks(join_mask(u, v)),
            clips_sha256=self._clips_sha256,
            classifier_sha256=result.judged["checkpoint_sha256"],
            seconds=_seconds(row.folder) if learns else 0.0,
            versions=result.run["versions"],
        )

    def _pulls(self, method: str, run_: Run) -> int:
        """That its training took, which are as many with any seed."""
        if method not in self._known_pulls:
            bandit = run_.bandit("train", "cpu")
            agent = run_.make_agent(bandit, "cpu")
            self._known_pulls[method] = agent.total_epochs * (agent.pulls_per_epoch or 0)
            bandit.source.close()
        return self._known_pulls[method]


def _feedback(run_: Run) -> Feedback:
    kind = agent_class(run_.agent)
    if kind.train_epoch is Agent.train_epoch or (issubclass(kind, BlindAgent) and not kind.search_epochs):
        return "none"
    return kind.feedback


def _seconds(folder: Path) -> float:
    """That the agent's epochs took."""
    logs = folder / "tensorboard" / "agent"
    if not logs.exists():
        return 0.0
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # takes a second

    events = EventAccumulator(str(logs)).Reload().Scalars(SECONDS)
    return float(sum({event.step: event.value for event in events}.values()))
