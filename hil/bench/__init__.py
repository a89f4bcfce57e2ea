"""One run of a network on a target, from checkpoint to verdict.

build.py    checkpoint -> generated sources -> ELF          cmake.py   the compiler's complaints, explained
elf.py      what an ELF puts into which memory              stack.py   the static bound on the stack
photo.py    image files as the network takes them           compare.py device against references
session.py  one target, booted: runs and taps               run.py     what a run found, as run.json
limits.py   which measurement may be how large              report.py  the same for people, as report.html
doctor.py   what this machine can do
"""
