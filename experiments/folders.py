"""Folders of runs: one run each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def claim_folder(folder: Path, options: dict[str, Any]) -> None:
    """Notes in a folder what shapes the run in it.

    Raises:
        ValueError: where it holds a run with other options.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "options.json"
    try:
        theirs = json.loads(path.read_text()) if path.exists() else options
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: not readable ({error}); choose another --output or delete the folder") from error
    if theirs != options:
        changed = ", ".join(key for key in options if options[key] != theirs.get(key))
        raise ValueError(f"{folder} holds a run with another {changed}: choose another --output")
    part = path.with_suffix(".part")
    part.write_text(json.dumps(options))
    part.replace(path)
