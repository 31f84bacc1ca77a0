"""The paper's agent by name: the selection network, REINFORCE, and the classifier's trainer of stage 2."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ada3d_gym.agents.agent import Policy
from ada3d_gym.agents.reference import Random, probabilities
from ada3d_gym.agents.reinforce import Reinforce
from ada3d_gym.agents.reinforce_options import ReinforceConfig
from ada3d_gym.agents.selecting import check_keep, new_selection
from ada3d_gym.bandit import ClipBandit
from ada3d_gym.errors import InputError
from ada3d_gym.finetuning import ClassifierTrainer
from ada3d_gym.networks.selection import Aggregation
from ada3d_gym.seeding import Stream, spawn


@dataclass(frozen=True)
class Ada3DOptions(ReinforceConfig):
    """Those of REINFORCE, and:

    Attributes:
        weights: of the selection network's trunk, a safetensors file; the shipped ones where they fit, else random.
        aggregation: of the frames' features: "concat" tells frames apart; "uniform" is the paper's mean.
        keep: probability of keeping each frame and stage at the start.
        begin: a mask, T + K zeros and ones, whose zeros are dropped with that probability at the start, such as the
            best constant; everything is likely kept by default.
        classifier_lr: of the classifier's SGD in stage 2; a cosine takes it to zero.
        freeze_batch_norm, classifier_dropout: of the classifier in stage 2; see `ClassifierTrainer`.
        other_frames, other_stages: of the random masks for a head that `heads` leaves unlearned: kept frames on
            average, and the probability of each stage, or one for all.
    """

    weights: str | None = None
    aggregation: Aggregation = "concat"
    keep: float = 0.8
    begin: str | None = None
    classifier_lr: float = 0.01
    freeze_batch_norm: bool = True
    classifier_dropout: float = 0.0
    other_frames: float = 4.0
    other_stages: float | tuple[float, ...] = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.classifier_dropout < 1:
            raise InputError(f"classifier_dropout={self.classifier_dropout}: expected a probability, less than 1")
        check_keep(self)


class Ada3D(Reinforce):
    """MobileNetV2 on frames of 112 pixels, or a small, pre-trained one on those of MotionShapes, and two heads."""

    Options = Ada3DOptions

    def __init__(
        self,
        bandit: ClipBandit,
        options: Ada3DOptions,
        *,
        seed: int = 0,
        device: str = "cpu",
        other: Policy | None = None,
    ):
        if options.seed not in (0, seed):
            raise InputError(f"seed={options.seed} among the options beside seed={seed}: give the run's seed alone")
        options = replace(options, seed=seed)
        selection = new_selection(bandit, options, seed, options.begin)
        trainer = None
        if options.joint_epochs:
            trainer = ClassifierTrainer(
                bandit.classifier,
                options.classifier_lr,
                freeze_batch_norm=options.freeze_batch_norm,
                dropout=options.classifier_dropout,
                seed=spawn(seed, Stream.DROPOUT, 1),
            )
        if options.heads != "both" and other is None:
            stages = probabilities(options.other_stages, bandit.num_stages, "other_stages")
            other = Random(options.other_frames, stages, bandit.num_frames, spawn(seed, Stream.OTHER_HEAD_JUDGED))
        super().__init__(selection, bandit, options, trainer, device, other)
        self.macs = self._count_macs()
