"""Runs a command's function with its arguments from the command line and says what went wrong in one line."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import tyro

from ada3d_gym.networks.checkpoints import CheckpointError
from ada3d_gym.video.records import VideoError


def run(command: Callable[..., Any]) -> None:
    """Parses `command`'s typed arguments and calls it."""
    try:
        tyro.cli(command)
    except KeyboardInterrupt:
        sys.exit("\ninterrupted: the same command goes on from here")
    except (VideoError, CheckpointError, ValueError) as error:
        sys.exit(f"error: {error}")
