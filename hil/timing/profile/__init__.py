"""Where cycles go: counters behind the compiled model, then by instruction and rule.

counting.py   a counter for each result of the model and each chain of calls
profiler.py   the counts as cycles by instruction, rule and chain
annotate.py   the hottest blocks as disassembly, with the rule behind every stall
"""
