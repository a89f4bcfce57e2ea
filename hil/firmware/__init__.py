"""A checkpoint becomes an ELF.

build.py    checkpoint -> generated sources -> ELF          cmake.py     the compiler's complaints, explained
elf.py      what an ELF puts into which memory              stack.py     the static bound on the stack (disassembly.py)
"""
