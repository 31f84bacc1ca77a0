"""Ada3D as Gymnasium environments. Importing it registers their ids and loads neither weights nor videos."""

from ada3d_gym import aliases, interruption

interruption.prepare()  # before anything that takes long to import

from ada3d_gym.forking import prepare_forks  # noqa: E402
from ada3d_gym.own_sets import register_dataset as register_dataset  # noqa: E402
from ada3d_gym.registration import register  # noqa: E402

__version__ = "0.1.0"

aliases.install()
register()
prepare_forks()
