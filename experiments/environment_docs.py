"""Writes a page for each data set's environments, and one for clip selection, from the registry and the docstrings:

python -m experiments.environment_docs

`experiments.environment_pictures` draws their pictures. A test holds docs/environments to what this writes.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from textwrap import dedent, fill
from typing import Any

from tabulate import tabulate

from ada3d_gym.building import build_bandit
from ada3d_gym.datasets import VIDEO_SETS, embedded_clips, video_clips
from ada3d_gym.envs.env import Ada3DEnv
from ada3d_gym.experiments.cli import run
from ada3d_gym.networks.macs import MacCounter
from ada3d_gym.networks.spec import SPECS, STAGE_NAMES
from ada3d_gym.registration import ENVIRONMENTS, SETS, UNTRIMMED
from ada3d_gym.untrimmed.building import OF_THE_ID as OF_THE_UNTRIMMED_ID
from ada3d_gym.untrimmed.building import build_core, build_looks
from ada3d_gym.untrimmed.env import LookingEnv

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "environments"
OF_THE_ID = ("backbone", "num_frames")
SECTIONS = ("Observation", "Action", "Reward", "Episode", "Info")
MOTIONSHAPES = """This page lists the environments on MotionShapes, for those who want to start without own data.

[MotionShapes](../motionshapes.md) are the videos that come with the package: 14 classes of textures, shapes and
motions, with 3,360 training, 280 validation and 700 test videos. They are rendered on first use. Clips are 32 x 32. The
metric is top-1. The weights of both networks ship with the package, so these ids run at once."""

PICTURE = "![Clips, each whole and then under a mask](../images/environment-masks.gif)"
SHOWN = """What `env.render()` shows: six test clips, each first whole, then after a step. Dropped frames are black. The
box of a stage that runs in 3D is filled. Each clip has the mask that pays best for all test clips of its class, at
gamma 6."""
OTHERS = "The videos of {title} cannot be passed on, so these clips are of [MotionShapes](motionshapes.md)."
OWN = "These clips are of [MotionShapes](motionshapes.md), in the place of yours."
LOOKS = """![Long videos, each before the first look and after three](../images/environment-looks.gif)

*What `env.render()` shows for three test videos of MotionShapesUntrimmed: the frames of the memory, and below them the
places. A look's number stands at its place. The looks are at 0.2, 0.5 and 0.8 of the video, whatever it shows.*"""

COLUMNS = """T is the number of frames of a clip, and K the number of stages that can run in 3D. MACs are
[multiply-accumulates](../glossary.md#networks-and-costs) of the 3D network. In the code, `gamma` is the penalty of a
wrong answer, no discount."""
FIRST = "- v0: the first."
VERSIONS = {
    "motionshapes": "- v1: objects are visible for a shorter time, and motions are slow or fast, so that the right "
    "mask differs from clip to clip.\n- v0: the first; it no longer exists."
}


def pages() -> dict[str, str]:
    """File names and contents."""
    masks = {f"{name.lower()}.md": _page(name, dataset) for name, dataset in SETS.items()}
    return masks | {"untrimmed.md": _untrimmed_page()}


def environment_docs(folder: Path = FOLDER) -> None:
    """Writes the pages.

    Args:
        folder: where to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text)


def _page(name: str, dataset: str) -> str:
    ids = {key: options for key, options in ENVIRONMENTS.items() if options["dataset"] == dataset}
    first = next(iter(ids))
    rows = []
    for key, options in ids.items():
        spec = SPECS[options["backbone"]]
        frames, size = options["num_frames"], options.get("size", 32 if dataset == "motionshapes" else 256)
        macs = MacCounter.of_spec(spec, size, 14 if dataset == "motionshapes" else 400).full(frames)
        stages = ", ".join(STAGE_NAMES[stage] for stage in spec.stages)
        shown = f"{macs / 1e6:.1f} M" if dataset == "motionshapes" else f"{macs / 1e9:.2f} G"
        rows.append([f"`{key}`", frames, f"`{spec.name}`", f"{spec.num_stages} ({stages})", size, shown])
    table = tabulate(rows, ["id", "T", "network", "K", "side in pixels", "MACs of a whole clip"], tablefmt="github")
    shown = SHOWN
    if dataset in VIDEO_SETS:
        shown += " " + (OWN if dataset == "videos" else OTHERS.format(title=VIDEO_SETS[dataset].title))
    picture = f"{PICTURE}\n\n{fill(f'*{shown}*', 120, break_on_hyphens=False)}"
    example = f"```python\n{_example(first, dataset)}\n```"
    parts = [f"# Ada3D-{name}", _about(dataset), f"{table}\n\n{COLUMNS}", picture, example]
    return _joined(parts, Ada3DEnv, _arguments(dataset), VERSIONS.get(dataset, FIRST))


def _joined(parts: list[str], env: type, arguments: str, versions: str) -> str:
    """A page that begins with `parts`, goes on with the sections of an environment's docstring, and ends alike."""
    sections = _sections(env)
    parts = parts + [f"## {section}\n\n{_plain(sections[section])}" for section in SECTIONS]
    parts.append("## Arguments\n\n" + arguments)
    parts.append(
        f"## Versions\n\n{versions} A change that makes earlier results incomparable gets a new number.\n\n"
        "*Written by `python -m experiments.environment_docs` from the registry and the docstrings.*"
    )
    return "\n\n".join(parts) + "\n"


def _untrimmed_page() -> str:
    rows = [
        [f"`{name}`", f"`{options['dataset']}`", f"`{options['backbone']}`", _selection(options)]
        for name, options in UNTRIMMED.items()
    ]
    about = """This page lists the environments in which an agent chooses clips of long videos, for those who write such
agents. An episode is one video. In each step, the agent looks at one clip of it or stops. [Clip
selection](../clip-selection.md) explains the task and its words, and how to use your own networks."""
    table = tabulate(rows, ["id", "videos", "network", "clips are masked by"], tablefmt="github")
    example = """import gymnasium as gym
import ada3d_gym

env = gym.make("Ada3D-MotionShapesUntrimmed-v0", split="train", steps=5, price=0.05)
envs = gym.make_vec("Ada3D-MotionShapesUntrimmed-v0", num_envs=64)  # one forward pass a step
options = {"data_root": "FOLDER", "checkpoint": "RUN/classifier.safetensors", "selection": "RUN/selection.safetensors"}
env = gym.make("Ada3D-FCVIDUntrimmed-v0", **options)  # once: ada3d index-videos fcvid --root FOLDER"""
    parts = ["# Ada3D-…Untrimmed", about, table, LOOKS, f"```python\n{example}\n```"]
    functions = (build_core, build_looks, video_clips)
    left = {"name", "dataset", "options", "reading", "views", "protocol", "flip", "seed", "num_frames, stride"}
    described: dict[str, str] = {}
    for function in functions:
        for names, text in _argument_lines(inspect.getdoc(function) or "").items():
            described.setdefault(names, text)
    described = {names: text for names, text in described.items() if names not in left}
    described |= {"stride": "distance between frames of a clip.", "size": "side of the square; 256 by default."}
    shown = '- `render_mode` (None): "rgb_array", a strip of the memory\'s frames with the looks marked.'
    shown += "\n- `label_at_reset` (False): also tell a video's path, label and label_name at reset, to look at data."
    return _joined(parts, LookingEnv, _listed(shown, described, functions, OF_THE_UNTRIMMED_ID), FIRST)


def _selection(options: dict[str, Any]) -> str:
    return "the selection network that ships" if options["selection"] else "nothing, or `selection=FILE`"


def _about(dataset: str) -> str:
    if dataset not in VIDEO_SETS:
        return MOTIONSHAPES
    videos = VIDEO_SETS[dataset]
    return (
        f"This page lists the environments on {videos.title}, for those who have its videos ([source]({videos.source}))"
        f". Put the videos anywhere below one folder, with {videos.lists} at its top, then index them once; see [video "
        f"files](../videos.md). The network needs a [checkpoint](../checkpoints.md). The metric is {videos.metric}."
        if videos.source.startswith("http")
        else "This page lists the environments on your own videos, for those who have a list of them. Put the list at "
        f"the top of a folder ({videos.lists}), then index the videos once; see [video files](../videos.md). The "
        "network needs a [checkpoint](../checkpoints.md), or is trained with `--classifier-recipe scratch`, as "
        f"[`ada3d start`](../own-videos.md) does. The metric is {videos.metric}."
    )


def _example(first: str, dataset: str) -> str:
    """Formatted as ruff does, which formats code in Markdown too."""
    index, options, given = "", "", ""
    if dataset in VIDEO_SETS:
        index = f"# once: ada3d index-videos {dataset} --root FOLDER\n"
        options = 'options = {"data_root": "FOLDER", "checkpoint": "I3D_8x8_R50.pkl"}\n'
        given = ", **options"
    return f"""{index}import gymnasium as gym
import ada3d_gym

{options}env = gym.make("{first}", split="train", gamma=6.0{given})
envs = gym.make_vec("{first}", num_envs=64, gamma=6.0{given})  # one forward pass a step"""


def _arguments(dataset: str) -> str:
    described = _argument_lines(inspect.getdoc(build_bandit) or "")
    clips = video_clips if dataset in VIDEO_SETS else embedded_clips
    own = _argument_lines(inspect.getdoc(clips) or "")
    described |= {name: text for name, text in own.items() if name not in described and name != "name"}
    described.pop("split, num_frames, views, videos")
    shown = '- `render_mode` (None): "rgb_array", a contact sheet, or "human", the same in a window.'
    shown += "\n- `label_at_reset` (False): also tell a clip's path, label, label_name and family, to look at data."
    left = {"dataset", "reading"}
    kept = {names: text for names, text in described.items() if names not in left}
    return _listed(shown, kept, (build_bandit, clips), OF_THE_ID)


def _listed(
    first: str, described: dict[str, str], functions: Sequence[Callable[..., object]], of_the_id: Sequence[str]
) -> str:
    """Arguments with their defaults, which the first function that has one says."""
    defaults = {
        name: parameter.default
        for function in reversed(functions)
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.default is not parameter.empty
    }
    lines = [first]
    for names, text in described.items():
        given = {name: "the id's" if name in of_the_id else repr(defaults.get(name)) for name in names.split(", ")}
        titles = ", ".join(f"`{name}` ({default})" for name, default in given.items())
        lines.append(f"- {titles}: {text}")
    return "\n".join(lines)


def _argument_lines(doc: str) -> dict[str, str]:
    block = doc.partition("Args:\n")[2].partition("\n\n")[0]
    items = re.findall(r"^    (\S[^:\n]*): ((?:.|\n(?!    \S))*)", block, re.MULTILINE)
    return {names: " ".join(text.split()) for names, text in items}


def _sections(of: type) -> dict[str, str]:
    doc = inspect.getdoc(of) or ""
    found = re.findall(r"^(\w+):\n((?:    .*\n|\n(?=    ))+)", doc + "\n", re.MULTILINE)
    return {name: dedent(text).strip() for name, text in found}


def _plain(text: str) -> str:
    return re.sub(r"^(\w+): ", r"- **\1**: ", text, flags=re.MULTILINE) if text.startswith("reset:") else text


if __name__ == "__main__":
    run(environment_docs)
