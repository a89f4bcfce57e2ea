"""A model on a data set.

official.py   WIDER FACE's own protocol                     multiscale.py  the paper's convention
run.py        photos through float, integer and targets     journal.py     results kept as they come, and compared
classes.py    a classifier's accuracy on labelled photos
"""
