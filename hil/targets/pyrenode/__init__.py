"""Renode, run within this process through pyrenode3. Found, never bundled; the target on top of it is ../renode.py.

find.py      where Renode and pyrenode3 are on this machine, or the commands that get them
process.py   the one Renode of this process: started once, its log, its parts of ours (platforms/renode/*.cs)
machine.py   one board in it: platform, firmware, serial line, virtual time
stops.py     what stopped the core, in words and with the function's name
keep.py      what is kept of a run that went wrong: log, snapshot, registers, last frames
"""
