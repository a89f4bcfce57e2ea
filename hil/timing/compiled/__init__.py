"""The timing model compiled: fast enough to be a board's clock, equal to the statement cycle by cycle.

layout.py, rows.py, guess.py   instructions, queues and caches as numbers in one array, the arena
pipeline.py, memo.py   the rules on the arena; blocks worked out once
hooks.py, native.py, blockhook.py   Unicorn's hooks as native functions
engine.py    all of it as an object
"""
