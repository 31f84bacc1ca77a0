"""Policies that choose which clips of a long video to look at: AdaFrame, its rivals and references."""
