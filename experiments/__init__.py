"""Commands, one file each: `python -m experiments.demo`, `python -m experiments.pretrain`."""
