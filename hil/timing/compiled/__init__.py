"""The timing model compiled: fast enough to be a board's clock, equal to the statement cycle by cycle.

layout.py, rows.py   instructions, queues and caches as numbers in one array, the arena
addresses.py, plans.py, accesses.py   addresses of a block's accesses, computed at its entry
pipeline.py, memo.py   the rules on the arena; results of blocks, kept
hooks.py, native.py, blockhook.py   Unicorn's hooks as native functions
codehook.py, pages.py, registers.py   removes hooks that find nothing; the rights of Unicorn's pages; its registers
engine.py    all of it as an object
"""
