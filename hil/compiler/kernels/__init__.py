"""The firmware's kernels as the compiler knows them.

loops.py    which loop a layer gets; windows.py: how an RNNPool takes a row; sparse.py: which blocks it skips
weights.py  constants in C, in the order in which the loops read them; memory.py: what the loops work in
"""
