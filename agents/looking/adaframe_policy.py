"""A trained AdaFrame as a policy that looks at videos."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ada3d_gym.agents.looking import places
from ada3d_gym.agents.looking.adaframe import AdaFrame
from ada3d_gym.agents.looking.adaframe_options import Where
from ada3d_gym.agents.looking.stopping import Stopping, never
from ada3d_gym.untrimmed.protocols import Looked, VideoLooks


@dataclass(frozen=True)
class AdaFramePolicy:
    """Looks where the selection head says, without noise, until the rule stops it or K looks are done.

    A place is looked at once: where the head asks for one again, the nearest new one is taken. It is not published what
    else a second look at the same clip should show.

    Attributes:
        network: a trained one.
        steps: K, the most looks at a video.
        stopping: when to stop earlier: `Patience(mu, times)`, `Confidence(threshold)` or `never`.
        where: as it was trained, see `AdaFrameOptions`.
    """

    network: AdaFrame
    steps: int
    stopping: Stopping = never
    where: Where = "learned"

    @torch.inference_mode()
    def look(self, looks: VideoLooks, videos: NDArray[np.int64]) -> Looked:
        """Of B videos: the scores at the last look, all places, and all multiply-accumulates.

        The memory is paid for once a video, and the network once a look and, where the memory decides over the first
        one, once before.
        """
        network = self.network
        network.check(looks)
        device = network.positions.device
        each = network.macs()
        macs = np.full(len(videos), looks.memory_macs + (each if network.first == "memory" else 0), np.int64)
        scores = np.zeros((len(videos), len(looks.class_names)), np.float32)
        seen_at = np.full((len(videos), self.steps), -1, np.int64)
        watch, fixed, going = self.stopping(len(videos)), places.spread(self.steps), np.arange(len(videos))
        memory = torch.from_numpy(looks.memory(videos)).to(device)
        step = network.begin(memory)
        utility = np.zeros(len(videos), np.float32)
        for number in range(self.steps):
            wanted = step.place.cpu().numpy() if self.where == "learned" else np.full(len(going), fixed[number])
            seen_at[going, number] = places.nearest_new(wanted, seen_at[going], looks.places)
            look = looks.at(videos[going], seen_at[going, number])
            seen, alone = (torch.from_numpy(each).to(device) for each in (look.features, look.scores))
            step = network(step, seen, alone, memory)
            macs[going] += look.macs + each
            scores[going], utility[going] = step.logits.softmax(1).cpu().numpy(), step.utility.cpu().numpy()
            stay = ~watch(scores, utility)[going]
            kept = torch.from_numpy(stay).to(device)
            going, memory, step = going[stay], memory[kept], step.take(kept)
            if not len(going):
                break
        return Looked(scores, seen_at, macs)
