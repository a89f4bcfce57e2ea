"""A checkpoint becomes an ELF.

build.py    checkpoint -> generated sources -> ELF          cmake.py     the compiler's complaints, explained
elf.py      what an ELF puts into which memory              stack.py     the static bound on the stack (disassembly.py)
kept.py     compiled firmware in the user's cache           scratch.py   folders that a build works in
trial.py    a dry run, for the doctor
"""
