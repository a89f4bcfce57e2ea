"""Coverage of the firmware's C: what ran on simulated boards, as source lines and edges.

branches.py   conditional branches of Thumb code; lines.py: the source lines of an ELF
covered.py    blocks that ran (hil.targets.sim.ran) to lines and edges
tracefile.py  as lcov's file, and in figures; page.py: as a page
gather.py     gathers the coverage of a run or a session, writes it, compares it with a limit
"""
