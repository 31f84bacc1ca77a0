"""Policies for Ada3D environments, one file per family.

In a clone this folder is importable as `agents` too: the same modules, not copies of them.
"""

if __name__ == "agents":
    from ada3d_gym.aliases import alias

    alias(__name__, "ada3d_gym.agents")
