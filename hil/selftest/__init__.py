"""Mutation testing of the bench: it is broken on purpose, in hundreds of ways, and must notice each time.

subjects.py   the networks that are mutated        workshop.py   their firmwares, quickly rebuilt
mutant.py     a mutant, and the checks that killed it  trial.py      one mutant, built and run
sources.py    in C: kernels, decoder, schedule      assembly.py   in the board's own kernels, on the simulated board
lines.py      which lines of C a network uses       plans.py      in the generated plan
idle.py       which of the plan's numbers do nothing
constants.py  in the ELF: weights, biases, tables   graphs.py     in the graph, and so on both sides
both.py       in the code of both sides alike
hosts.py      in the integer reference and the float path
reports.py    in what a target reports              wire.py       between host and device
limit_files.py in limits.toml                       catalogue.py  all of them
campaign.py   hundreds of them, resumable           equivalents.toml  mutants without an effect
"""
