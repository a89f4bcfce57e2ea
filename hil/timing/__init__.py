"""What code costs on a Cortex-M4: cycles of basic blocks, behind the simulated board's clock.

Each room uses those above it.

statement/   the rules in plain Python, step by step: the statement of the model
compiled/    the same as numbers in one array, compiled by numba behind Unicorn's hooks
profile/     where cycles go, instruction by instruction, and by which rule
cycles/      `hil cycles`: one function on a bare core
cost_model.py, machine.py   what a clock of the simulated board must answer, and what it gets to see
model.py     the compiled model as that clock
"""
