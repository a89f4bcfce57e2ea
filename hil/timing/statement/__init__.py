"""The timing model in plain Python: the statement that the compiled twin is held to.

rules.py, costs.py   the catalogue of rules, and the base cost of each kind of instruction
instruction.py, decode.py   an instruction as the rules see it, made of bytes
pipeline.py, fetch.py, flash.py, sdram.py   the rules, step by step
trace.py     the instructions that a core executed, as input of the rules
figures.py   constants that a board's measurement may replace
"""
