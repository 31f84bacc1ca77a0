"""Every table and figure of the paper:

    ada3d paper all                 # on the embedded videos, three seeds
    ada3d paper all --quick         # the same path in some minutes; its numbers mean nothing
    ada3d paper all --id Ada3D-FCVID-v0 --checkpoint I3D_8x8_R50.pkl --slowonly-checkpoint … --device cuda

Tables 1, 4, 5 and 6 and Figure 3 are one list of runs, which share what they can. Table 2 looks at clips through the
networks that ship for the embedded untrimmed videos, or else through those of Ada3D's first seed. Table 3 takes a
policy from one half of MotionShapes' classes to the other; on other videos it needs a policy from elsewhere, and is
left to `ada3d paper table3 --source-run RUN`. Interrupted and started again, the command goes on where it was; started
several times at once, each process takes runs that no other has.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import tyro

from ada3d_gym.datasets import EMBEDDED
from ada3d_gym.experiments.cli import run
from ada3d_gym.experiments.paper import figure3, figure4, table1, table2, table3, table4, table5, table6
from ada3d_gym.experiments.paper.lists import LEARNED, PaperRuns
from ada3d_gym.experiments.paper.options import DEFAULTS, PaperOptions
from ada3d_gym.experiments.paper.showing import found_in, show
from ada3d_gym.experiments.paper.table2_options import Table2Options
from ada3d_gym.prediction.config import CLASSIFIER
from ada3d_gym.registration import UNTRIMMED

SELECTION = "selection.safetensors"  # of a run of REINFORCE


def all_tables(options: tyro.conf.OmitArgPrefixes[PaperOptions] = DEFAULTS) -> None:
    """Trains what is missing, prints all tables and draws all pictures.

    Args:
        options: what is reproduced, on what and where.
    """
    options.check()
    runs = PaperRuns(options)
    points = figure3.sections(runs)
    tables = [*table1.sections(runs), *table4.sections(runs), *table5.sections(runs), *table6.sections(runs)]
    runs.finish()
    show([*tables, *points], runs)
    figure3.draw(found_in(points[0], runs), runs)
    alone = replace(options, json=None)  # which holds the tables above
    figure4.figure4(alone)
    if (looking := looking_options(runs)) is not None:
        table2.table2(looking)
    if options.dataset == EMBEDDED:
        table3.table3(table3.TransferOptions(**asdict(alone)))
    else:
        print("\nTable 3 needs a policy from elsewhere: ada3d paper table3 --source-run RUN …")


def looking_options(runs: PaperRuns) -> Table2Options | None:
    """What Table 2 takes beside the other tables; None while its networks are not trained yet."""
    options = runs.options
    embedded = options.dataset == EMBEDDED
    dataset = f"{EMBEDDED}-untrimmed" if embedded else options.dataset
    env = next(name for name, its in UNTRIMMED.items() if its["dataset"] == dataset)
    names = ("seeds", "quick", "output", "device", "videos", "ray", "ray_cpus")
    shared: dict[str, Any] = {name: getattr(options, name) for name in names}
    if embedded:
        return Table2Options(id=env, **shared)
    if not (learned := runs.done(runs.rows(LEARNED)[:1])):
        return None
    folder = learned[0].folder
    networks: dict[str, Any] = {"checkpoint": folder / CLASSIFIER, "selection": folder / SELECTION}
    reading: dict[str, Any] = {name: getattr(options, name) for name in ("data_root", "size", "backbone")}
    return Table2Options(id=env, **shared, **networks, **reading)


if __name__ == "__main__":
    run(all_tables)
