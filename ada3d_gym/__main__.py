"""`python -m ada3d_gym` prints what a bug report should: versions, devices, decoders, cache folder, ids, weights."""

from __future__ import annotations

import signal
from argparse import ArgumentParser

from ada3d_gym.about import about

if __name__ == "__main__":
    parser = ArgumentParser("python -m ada3d_gym", description="Prints what a bug report should say.")
    parser.add_argument("--ids", action="store_true", help="print the registered ids instead, one a line")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # ends in silence where a reader leaves, as `head` does
    about(ids=arguments.ids, json=arguments.json)
