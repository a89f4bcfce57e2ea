"""A model on a data set.

official.py   WIDER FACE's own protocol                     multiscale.py  the paper's convention
matlab.py     its ground truth's files, in another process
run.py        photos through float, integer and targets     journal.py     results on disk, photo by photo; compared
work.py       the work of one worker                         merge.py       the journals of shards, merged
processes.py  workers of this machine                       cluster.py     workers of a dask cluster
classes.py    a classifier's accuracy on labelled photos     exact.py       ways that must agree bit by bit
"""
