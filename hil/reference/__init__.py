"""The networks in floating point: what the compiler reads and what every device result is compared with.

fastgrnn.py  one recurrent cell          rnnpool.py   the RNNPool layer          sweep.py  its fast CPU kernel
blocks.py    convolution blocks, L2Norm  networks.py  the networks, as tables    boxes.py  priors, decoding, NMS
weights.py   checkpoints                 image.py     photos to network input
"""
