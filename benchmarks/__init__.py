"""One command for each performance figure; ratios within one run, because machines differ and are shared."""
