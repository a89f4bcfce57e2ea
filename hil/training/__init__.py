"""Training: the face detectors on WIDER FACE, the classifiers on Visual Wake Words.

faces.py, people.py  what the two kinds learn from and are judged by (lesson.py)
wider.py    boxes in the official layout          photos.py    photos, decoded once for all processes
augment.py  crops that keep small faces learnable structure.py sparse and tied RNNPools
grow.py     a larger network begun with a smaller one
matching.py anchors to faces                      losses.py    focal and localisation loss
recipe.py   every constant of a training          recipes/     what is particular to a network
loop.py     the resumable training loop           device.py    CPU or GPU, and the precision
fake_quantise.py  a network that rounds as its firmware will
command.py  what the command line calls
"""
