"""A test bench for RNNPool networks as firmware on an emulated or a real STM32F4."""

__version__ = "0.2.0"
