"""From a torch module to an operator graph, and the ranges of its activations.

trace.py      torch module -> operators, by torch.fx; lowering.py: which; convolutions.py: those of convolutions
padding.py    the values around maps, on which all readers of a map must agree; names.py: names that are valid in C
calibrate.py  operator graph and photos -> ranges
"""
