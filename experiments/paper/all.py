"""Every table and figure of the paper:

    ada3d paper all                 # on the embedded videos, three seeds
    ada3d paper all --quick         # the same path in some minutes; its numbers mean nothing
    ada3d paper all --id Ada3D-FCVID-v0 --checkpoint I3D_8x8_R50.pkl --slowonly-checkpoint … --device cuda

Tables 1, 4, 5 and 6 and Figure 3 are one list of runs, which share what they can. Interrupted and started again, the
command goes on where it was; started several times at once, each process takes runs that no other has.
"""

from __future__ import annotations

import tyro

from ada3d_gym.experiments.cli import run
from ada3d_gym.experiments.paper import figure3, figure4, table1, table4, table5, table6
from ada3d_gym.experiments.paper.lists import PaperRuns
from ada3d_gym.experiments.paper.options import DEFAULTS, PaperOptions
from ada3d_gym.experiments.paper.showing import found_in, show


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
    figure4.figure4(options)


if __name__ == "__main__":
    run(all_tables)
