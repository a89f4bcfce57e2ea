"""Which layers run together, in what order, and where their buffers lie.

schedule.py  replays the order in which the firmware computes rows; results.py: how long boxes are kept
chains.py    layers that run together, a few pixels of a row at a time; stages.py: maps made whole first
predict.py   cycles of layers and chains; external.py: what an external memory makes them wait
draft.py     the buffers of a schedule and their lifetimes; packing.py: offsets; plan.py: all of it on a board
choose.py    drafts possible schedules, and chooses one
"""
