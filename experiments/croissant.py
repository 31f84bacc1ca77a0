"""Describes the outcome tables of a folder in Croissant's JSON-LD, for people and programs that look for data sets:

ada3d croissant ada3d_gym/tables
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import tyro

from ada3d_gym import __version__
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.cli import run
from ada3d_gym.files import replacing
from ada3d_gym.fingerprints import of_file
from ada3d_gym.outcomes.table import PARTS, load_table

FILE = "croissant.json"
LICENCE = "https://opensource.org/licenses/MIT"
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "dct": "http://purl.org/dc/terms/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
}


def croissant(folder: tyro.conf.Positional[Path]) -> None:
    """Writes `croissant.json` into the folder.

    Args:
        folder: of tables, as `ada3d tabulate` writes them.
    """
    paths = sorted(folder.glob("*.safetensors"))
    if not paths:
        raise InputError(f"{folder} holds no outcome tables: expected files that 'ada3d tabulate' writes")
    path = folder / FILE
    with replacing(path, "choose another folder") as part:
        part.write_text(json.dumps(description(paths), indent=1) + "\n")
    print(f"{len(paths)} tables described in {path}")


def description(paths: list[Path]) -> dict[str, Any]:
    """The JSON-LD of tables.

    Args:
        paths: of their files; parts among them are named, too.
    """
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "name": "ada3d-gym-outcome-tables",
        "description": (
            "Full-information tables of a contextual bandit over video clips: for every clip and every mask of frames "
            "and 3D stages, whether a fixed video classifier is right. MotionShapes videos, drawn by a program."
        ),
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "license": LICENCE,
        "version": __version__,
        "datePublished": "2026-11-26",
        "url": "https://arxiv.org/abs/2012.14950",
        "citeAs": (
            "Li, Hengduo; Wu, Zuxuan; Shrivastava, Abhinav; Davis, Larry S.: 2D or not 2D? Adaptive 3D Convolution "
            "Selection for Efficient Video Recognition. CVPR 2021."
        ),
        "creator": {"@type": "sc:Organization", "name": "ada3d-gym"},
        "rai:dataCollection": "Computed: each file names the command, versions and SHA-256 of weights and clips.",
        "rai:personalSensitiveInformation": "None: the videos are drawn by a program and show shapes and textures.",
        "distribution": [_file(path) for path in paths],
    }


def _file(path: Path) -> dict[str, Any]:
    table, dot, part = path.name.removesuffix(".safetensors").rpartition(".")
    is_part = bool(dot) and part in PARTS
    about = load_table(path.with_name(f"{table}.safetensors") if is_part else path).about
    what = f"; its part {part!r}, {PARTS[part]}" if is_part else ""
    return {
        "@type": "cr:FileObject",
        "@id": path.name,
        "name": path.name,
        "description": f"{about.dataset}, {about.split}, network {about.network}; made by '{about.command}'{what}",
        "contentSize": f"{path.stat().st_size} B",
        "contentUrl": path.name,
        "encodingFormat": "application/vnd.safetensors",
        "sha256": of_file(path),
    }


if __name__ == "__main__":
    run(croissant)
