"""A failure that can be taken home: everything about it in one file, which runs again elsewhere.

session.py      the link's traffic since the board was booted, kept while it passes
post_mortem.py  the same session on the simulated board once more: registers, memory, the last blocks
core_file.py    memory and registers as a core file for gdb
stripped.py     texts and run.json without paths of this computer
bundle.py       packing and opening          again.py  running a bundle again, and whether the same thing comes out
"""
