"""The networks in floating point: what the compiler reads and what every device result is compared with.

fastgrnn.py   one recurrent cell            rnnpool.py      the RNNPool layer        sweep.py      its fast CPU kernel
blocks.py     convolution blocks, L2Norm    rows.py         what tables are made of  catalogue.py  networks by name
networks.py   the face detectors, as tables classifiers.py  Visual Wake Words        boxes.py      priors, decoding, NMS
weights.py    checkpoints                   edgeml.py       EdgeML's checkpoints     image.py      photos to input
torch_file.py other people's files, safely  fitting.py      which tensors do not fit paper.py      the paper's figures
costs.py      parameters, MACs, peak RAM
"""
