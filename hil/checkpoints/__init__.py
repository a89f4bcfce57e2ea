"""Checkpoints made ready to be built.

calibration.py  activation ranges and bias shifts from photos   importing.py  other people's checkpoints
seeding.py      weights for networks without any
"""
