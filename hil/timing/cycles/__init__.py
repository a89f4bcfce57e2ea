"""`hil cycles`: one function of any Thumb program on a bare core.

program.py   an ELF as memory        core.py   the bare core        systick.py   its counters
call.py      calls timed
"""
