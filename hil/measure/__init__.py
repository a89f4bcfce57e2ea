"""Tables and pictures of many runs.

benchmark.py  layers beside plain C and goals               profile.py   where an inference's cycles go
calibrate.py  a board's counter against the timing model    networks.py  every network beside the paper
"""
