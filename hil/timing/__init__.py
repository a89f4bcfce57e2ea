"""The timing model: cycles of basic blocks on a Cortex-M4, for the simulated board's clock.

Each package uses those above it.

statement/   the rules in plain Python, step by step: the statement of the model
compiled/    the same as numbers in one array, compiled by numba behind Unicorn's hooks
profile/     where cycles go, instruction by instruction, and by which rule
cycles/      `hil cycles`: one function on a bare core
cost_model.py, machine.py   the interface of the simulated board's clock, and what it may read
model.py     the compiled model as that clock
"""
