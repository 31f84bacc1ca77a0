"""The parts of `ada3d start`: from a folder of one's own videos to a trained policy and a report."""
