"""Renode, run in processes of its own through pyrenode3. Found, never bundled; the target on top of it is ../renode.py.

release.py     which Renode, where it comes from and where it goes
install.py     brings it there
find.py        where Renode and pyrenode3 are on this machine, or the command that gets them
check.py       whether it works
probes.py      what it models, asked by programs of a few instructions
worker.py      the process that runs Renode, with its parts of ours (platforms/renode/*.cs)
emulation.py   what can be asked of it there
messages.py    what the two processes say to each other
process.py     such processes, as seen from here: started, used again, ended
machine.py     one board in one of them: platform, firmware, serial line, virtual time
gdb.py         GDB at such a board
shell.py       its monitor, at a terminal or at a port of this machine
stops.py       what stopped the core, in words and with the function's name
keep.py        what is kept of a run that went wrong: log, snapshot, registers, last frames
"""
