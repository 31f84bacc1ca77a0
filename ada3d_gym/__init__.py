"""Ada3D as Gymnasium environments. Importing it registers their ids and loads neither weights nor videos."""

from ada3d_gym import aliases
from ada3d_gym.forking import prepare_forks
from ada3d_gym.registration import register

__version__ = "0.1.0"

aliases.install()
register()
prepare_forks()
