"""A failure as one file, a bundle, with everything to run it again on another computer.

session.py      records the link's traffic since the board was booted
post_mortem.py  runs the session again on the simulated board: registers, memory, the last blocks
core_file.py    memory and registers as a core file for gdb
stripped.py     texts and run.json without paths of this computer
bundle.py       packing and opening          again.py  runs a bundle again, and compares the failures
"""
