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

from pathlib import Path

import tyro

from ada3d_gym.agents.blind import BlindAgent
from ada3d_gym.agents.fixed import Uniform, Upper
from ada3d_gym.agents.registry import agent_class
from ada3d_gym.devices import checked_device
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.cli import run
from ada3d_gym.experiments.configuration import Recipe
from ada3d_gym.experiments.folders import check_output, folder_name
from ada3d_gym.experiments.pipeline import is_finished, train_run
from ada3d_gym.experiments.runs import compose
from ada3d_gym.experiments.tables import single_table, write_json
from ada3d_gym.experiments.training import saving_every
from ada3d_gym.experiments.transferring import transferred
from ada3d_gym.precision import Precision


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
    reward: str | None = None,
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
        reward: accuracy, margin or confidence, or module:name of one of your own, see docs/wrappers.md.
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
    given["reward"] = reward
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
        if not issubclass(agent_class(run_.agent), Upper | Uniform | BlindAgent):  # which look at no clip
            print(f"the rival to compare with, one mask for all clips: ada3d train {env} --agent best-fixed")
        if json is not None:
            write_json(json, {result.method: [result] for result in results})
        if finished:
            print(f"finished before: delete {folder} or choose another --output to train again")


if __name__ == "__main__":
    run(train)
