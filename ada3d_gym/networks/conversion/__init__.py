"""Anybody's 3D CNN as a masked network, and the proof that it can be one."""

from ada3d_gym.networks.conversion.check import ConversionError
from ada3d_gym.networks.conversion.convert import ConvertedNetwork, convert

__all__ = ["ConversionError", "ConvertedNetwork", "convert"]
