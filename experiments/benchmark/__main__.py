"""`python -m experiments.benchmark COMMAND`, as `ada3d benchmark COMMAND`."""

from ada3d_gym.experiments.benchmark.commands import main

if __name__ == "__main__":
    main()
