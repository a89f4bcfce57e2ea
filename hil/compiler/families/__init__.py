"""Layers that bring their own arithmetic, a file a family: the operator in floating point, its quantisation, the layer
in integers (bit-exact with its kernel), its constants and its predicted cycles. Its call in C stands in templates/.

functions.py  ReLU, hard swish and other functions of one value, by table   pooling.py  average and largest of a window
concat.py     maps side by side, channel after channel                      dense.py    fully connected, of a whole map
reshape.py    channels repeated, and maps of twice the size              scaling.py  a number a channel times a map
operators.py  what a network is made of before it is quantised: these layers, convolutions and RNNPools
"""

from hil.compiler.families.concat import QConcat
from hil.compiler.families.dense import QDense
from hil.compiler.families.functions import QFunction
from hil.compiler.families.pooling import QWindow
from hil.compiler.families.reshape import QRepeat, QUpsample
from hil.compiler.families.scaling import QScaling

LAYERS = (QFunction, QWindow, QConcat, QDense, QRepeat, QUpsample, QScaling)
