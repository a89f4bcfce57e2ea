"""`hil cycles`: one function of any Thumb program on a bare core.

program.py   an ELF as memory; attributes.py: the core it is for        arguments.py   what a call is given
core.py      the bare core; memory.py, systick.py: its surroundings   call.py   timed calls
"""
