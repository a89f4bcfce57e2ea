"""The timing model compiled: fast enough to be a board's clock, equal to the statement cycle by cycle.

layout.py, rows.py   instructions, queues and caches as numbers in one array, the arena
addresses.py, plans.py, accesses.py   where accesses go, told at a block's entry
pipeline.py, memo.py   the rules on the arena; blocks worked out once
hooks.py, native.py, blockhook.py   Unicorn's hooks as native functions
engine.py    all of it as an object
"""
