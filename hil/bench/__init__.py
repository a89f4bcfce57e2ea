"""One run of a network on a target, from checkpoint to verdict.

build.py    checkpoint -> generated sources -> ELF          cmake.py     the compiler's complaints, explained
elf.py      what an ELF puts into which memory              stack.py     the static bound on the stack (disassembly.py)
photo.py    image files as the network takes them           calibration.py, importing.py  checkpoints made ready
session.py  one target, booted: runs and taps               batch.py     image files through one firmware
compare.py  device against references                       classify.py  the same for classifiers
judge.py    measurements and the verdict                    limits.py    which measurement may be how large
run.py      what a run found, as run.json                   report.py, terminal.py    the same for people
models.py, measuring.py  every network beside the paper     evaluate.py, evaluation.py  average precision on a data set
seeding.py  weights for networks without any                doctor.py    what this machine can do
"""
