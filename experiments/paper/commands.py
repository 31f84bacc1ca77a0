"""The commands of `ada3d paper`."""

from __future__ import annotations

COMMANDS = {
    "all": ("paper.all:all_tables", "every table and figure"),
    "table1": ("paper.table1:table1", "Ada3D and its baselines with I3D, 8 and 16 frames"),
    "table2": ("paper.table2:table2", "which clips of a long video to look at: AdaFrame and its rivals"),
    "table3": ("paper.table3:table3", "a policy learned on some classes, taken to others"),
    "table4": ("paper.table4:table4", "the same as Table 1 with SlowOnly"),
    "table5": ("paper.table5:table5", "what the two training stages are worth"),
    "table6": ("paper.table6:table6", "what each head of the selection network is worth"),
    "figure3": ("paper.figure3:figure3", "recognition against operations, by the penalty of a wrong answer"),
    "figure4": ("paper.figure4:figure4", "what is kept of the cheapest and the dearest clips"),
    "cost": ("paper.cost:cost", "what all that takes on a data set: GPU hours, decoding cores, memory, disk"),
}
