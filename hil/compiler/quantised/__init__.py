"""The integer graph: what the reference computes, the planner plans and the firmware runs.

graph.py   the graph and its rules         layers.py   convolutions, RNNPool     cells.py  FastGRNN; gated.py: GRU, LSTM
family.py  what all other layers can do    formats.py  scales and shifts         tensors.py  what is shown and digested
"""
