"""Training: the face detectors on WIDER FACE, the classifiers on Visual Wake Words.

faces.py, people.py  data and measures of the two kinds of networks (lesson.py)
wider.py    boxes in the official layout          photos.py    photos, decoded once for all processes
augment.py  crops that keep small faces learnable structure.py sparse and tied RNNPools
grow.py     a larger network begun with a smaller one
matching.py anchors to faces                      losses.py    focal and localisation loss
recipe.py   every constant of a training          recipes/     the constants of single networks
loop.py     the resumable training loop           device.py    CPU or GPU, and the precision
fake_quantise.py  a network that rounds as its firmware will
command.py  called by the command line
"""
