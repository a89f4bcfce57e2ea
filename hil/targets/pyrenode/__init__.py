"""Renode, run in processes of its own through pyrenode3. Found, never bundled; the target on top of it is ../renode.py.

release.py     the supported release: version, addresses, checksums, folder
install.py     installs it
find.py        where Renode and pyrenode3 are on this machine, or the command that gets them
check.py       checks that it works
probes.py      programs of a few instructions that show what it models
worker.py      the process that runs Renode, with its parts of ours (platforms/renode/*.cs)
emulation.py   the requests that it serves
messages.py    messages between the two processes
process.py     our side of such processes: started, used again, ended
machine.py     one board in one of them: platform, firmware, serial line, virtual time
gdb.py         GDB at such a board
shell.py       its monitor, at a terminal or at a port of this machine
stops.py       why the core stopped, in words and with the function's name
keep.py        files of a failed run: log, snapshot, registers, last frames
"""
