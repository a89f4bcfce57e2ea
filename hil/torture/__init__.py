"""Many faults on the link: each run must be bit-exact or end with a named error, and the next run must be clean.

line.py      a line with faults at drawn bytes        lies.py      boards and hosts that lie, from the message tables
cases.py     the case of each number                  trial.py     one case, and its result
prompt.py    the firmware on this computer, without waiting
campaign.py  many cases in processes; continues a stopped campaign
"""
