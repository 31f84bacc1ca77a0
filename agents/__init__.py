"""Policies for Ada3D environments, one file per family; an agent of one's own is a subclass of `Agent`.

In a clone this folder is importable as `agents` too: the same modules, not copies of them.
"""

if __name__ == "agents":
    from ada3d_gym.aliases import alias

    alias(__name__, "ada3d_gym.agents")
else:
    from ada3d_gym.agents.agent import Agent, NoOptions, Policy

    __all__ = ["Agent", "NoOptions", "Policy"]
