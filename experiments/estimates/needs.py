"""What each phase needs: bytes beside those that the process holds already, by the clips of a pass, and seconds.

A training step takes the maps that its backward pass needs and gradients of some, weights with their gradients and the
optimizer's values, and the batch's decoded clips, twice as many being decoded ahead. In a single pass, REINFORCE holds
the selection network's maps while the classifier answers for all samples of a clip.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ada3d_gym.agents.registry import parse
from ada3d_gym.building import RANDOM
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.estimates.maps import largest_map, passing_maps
from ada3d_gym.experiments.estimates.probing import Probe
from ada3d_gym.experiments.paper.phases import Networks, Phase, Videos, judging, phases, pretraining
from ada3d_gym.experiments.runs import Run
from ada3d_gym.experiments.scratch.options import ScratchOptions, epochs_of
from ada3d_gym.networks.classifier import FORWARD_BYTES, FORWARD_MAPS
from ada3d_gym.networks.spec import SPECS
from ada3d_gym.video.clips import AHEAD_BYTES

BASE = 128 * 2**20  # bytes of libraries' own buffers, of decoders and of whatever a phase holds besides
STATE = 3  # times the weights: gradients and two values of AdamW's
SCRATCH_TRUNK, SCRATCH_2D, SCRATCH_3D = "trunk from scratch", "classifier in 2D", "classifier in 3D"
AGAIN = 1.15  # the selection network's maps, with gradients


@dataclass(frozen=True)
class Costs:
    """Of one clip.

    Attributes:
        classifier, selection: probes.
        train, test: bytes of a decoded clip.
        step: bytes that a pass of the classifier's training takes.
        forward, judged: bytes of a pass of it without gradients, on training and test clips.
        larger: operations of a test clip over those of a training clip.
    """

    classifier: Probe
    selection: Probe
    train: int
    test: int
    step: float
    forward: float
    judged: float
    larger: float

    @classmethod
    def of(cls, run: Run, sizes: tuple[int, int], classifier: Probe, selection: Probe) -> Costs:
        settings = run.settings
        spec, frames = SPECS[settings["backbone"]], settings["num_frames"]
        maps = [frames * largest_map(spec, size) for size in sizes]
        gradients = passing_maps(spec, sizes[0], frames, run.precision, run.classifier_recompute)
        decoded = [frames * 3 * size**2 for size in sizes]
        step = classifier.saved + gradients
        forward, judged = (FORWARD_MAPS * each for each in maps)
        larger = (sizes[1] / sizes[0]) ** 2
        return cls(classifier, selection, decoded[0], decoded[1], step, forward, judged, larger)


@dataclass(frozen=True)
class Need:
    """Of one phase.

    Attributes:
        name: what is done.
        batch: clips in an update, or 0 where nothing is trained.
        most: of these, that there are at all: one of each video.
        held: bytes whatever batch and passes are.
        clip: bytes of a clip of the batch, whatever the passes are: decoded ones, those ahead, copies.
        selection: bytes of a clip of a pass of the selection network in its training; 0 where it is not.
        classifier: the same of the classifier.
        seconds: of all.
    """

    name: str
    batch: int
    most: int
    held: float
    clip: float
    selection: float
    classifier: float
    seconds: float

    def bytes(self, selection: int, classifier: int, parts: int = 1) -> float:
        """At the peak, with so many clips in a pass of each network, which do not train at the same time.

        `parts`: how many batches the update is accumulated from.
        """
        batch = min(-(-self.batch // parts), self.most)
        passes = min(selection, batch) * self.selection, min(classifier, batch) * self.classifier
        return self.held + batch * self.clip + max(passes)


def needs(run: Run, videos: Videos, costs: Costs, processes: int = 1) -> list[Need]:
    """All phases of a run, in order; of an agent of which nothing is known, those before it alone.

    Args:
        run: as composed.
        videos: that it runs on.
        costs: of a clip.
        processes: that train it together; what is told is each one's.
    """
    found = [_need(_part(phase, processes), costs, -(-videos.train // processes)) for phase in _phases(run, videos)]
    minutes = run.scratch.get("minutes")
    stretches = sum(need.seconds for need in found if need.name in (SCRATCH_2D, SCRATCH_3D))
    if minutes is None or stretches <= 60 * minutes:
        return found
    share = 60 * minutes / stretches
    return [
        replace(need, seconds=share * need.seconds) if need.name in (SCRATCH_2D, SCRATCH_3D) else need for need in found
    ]


def _phases(run: Run, videos: Videos) -> Iterable[Phase]:
    networks = Networks.of(run, videos.classes)
    try:
        found = phases(run, videos, 1.0)
    except InputError:
        found = [*pretraining(run, videos, networks), *judging(run, "Upper", videos, networks.whole_test)]
    scratch = list(_from_scratch(run, videos))
    replaced = {"trunk", "classifier on whole clips"} if scratch else set()
    return [*scratch, *(phase for phase in found if phase.name not in replaced)]


def _from_scratch(run: Run, videos: Videos) -> Iterable[Phase]:
    """The trunk's training and both stretches of the classifier's, where they are by the recipe for that."""
    if run.classifier_recipe != "scratch":
        return
    options: ScratchOptions = parse(ScratchOptions, run.scratch, "option of the scratch recipe")
    kept = videos.train - round(options.held_out * videos.train)
    epochs_2d, epochs_3d = options.epochs(kept)
    if options.epochs_2d is None and run.settings.get("checkpoint") not in (None, RANDOM):
        epochs_2d = 0
    trunk = (run.trunk_epochs or epochs_of(options.trunk_clips, kept)) if run.sees_through_trunk else 0
    for name, epochs, training in (
        (SCRATCH_TRUNK, trunk, "selection"),
        (SCRATCH_2D, epochs_2d, "classifier"),
        (SCRATCH_3D, epochs_3d, "classifier"),
    ):
        if epochs:
            yield Phase(name, epochs * kept, 0, 0, 0, options.batch, training)


def _part(phase: Phase, processes: int) -> Phase:
    """What each of several processes does of a phase; batches that are judged are dealt out whole."""
    clips, pulls = -(-phase.clips // processes), -(-phase.pulls // processes)
    return replace(
        phase, clips=clips, pulls=pulls, batch=-(-phase.batch // processes) if phase.training else phase.batch
    )


def _need(phase: Phase, costs: Costs, train: int) -> Need:
    classifier, selection = costs.classifier, costs.selection
    trained = bool(phase.training)
    held: float = BASE + classifier.weights + selection.weights
    batch = min(phase.batch, train if trained else phase.clips)
    decoded, clip_bytes = costs.train if trained else costs.test, 0.0
    if not trained or not phase.pulls:
        held += min(AHEAD_BYTES, 2 * batch * decoded) + (0 if trained else batch * decoded)
        clip_bytes += decoded
    selection_bytes, classifier_bytes, seconds = 0.0, 0.0, 0.0
    if phase.training in ("classifier", "joint"):
        held += STATE * classifier.weights
        classifier_bytes = costs.step
        seconds += phase.clips * classifier.train
    if phase.training in ("selection", "joint"):
        held += STATE * selection.weights
        selection_bytes = AGAIN * selection.saved
        seconds += phase.clips * selection.train
    if phase.pulls:
        answer = costs.forward if trained else costs.judged
        held += max(min(FORWARD_BYTES, batch * answer), answer) + classifier.weights
        larger = 1 if trained else costs.larger
        seconds += phase.pulls * classifier.forward * larger
        # of REINFORCE, a clip for each of its samples, and those ahead
        clip_bytes += (3 + phase.pulls / phase.clips) * costs.train if trained else 0
    size = phase.batch if trained else 0
    return Need(phase.name, size, train, held, clip_bytes, selection_bytes, classifier_bytes, seconds)
