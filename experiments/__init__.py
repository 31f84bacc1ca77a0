"""Commands, one file each: `ada3d demo`, or `python -m experiments.demo` in a clone.

In a clone this folder is importable as `experiments` too: the same modules, not copies of them.
"""

if __name__ == "experiments":
    from ada3d_gym.aliases import alias

    alias(__name__, "ada3d_gym.experiments")
