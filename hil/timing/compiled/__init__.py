"""The timing model compiled: fast enough to be a board's clock, equal to the statement cycle by cycle.

layout.py, rows.py   instructions, queues and caches as numbers in one array, the arena
addresses.py, plans.py, accesses.py   where accesses go, told at a block's entry
pipeline.py, memo.py   the rules on the arena; blocks worked out once
hooks.py, native.py, blockhook.py   Unicorn's hooks as native functions
codehook.py, pages.py   instructions without a hook that they do not need; what Unicorn may do with a page
engine.py    all of it as an object
"""
