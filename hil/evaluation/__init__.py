"""A model on a data set.

official.py   WIDER FACE's own protocol                     multiscale.py  the paper's convention
matlab.py     its ground truth's files, in a process apart
run.py        photos through float, integer and targets     journal.py     results kept as they come, and compared
work.py       what is asked, and what one worker does       merge.py       the journals of shards, brought together
processes.py  workers of this machine                       cluster.py     workers of a dask cluster
classes.py    a classifier's accuracy on labelled photos
"""
