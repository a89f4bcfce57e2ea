"""Faults at scale on the link: a result is bit-exact or an error has a name, and the next run is clean.

line.py      a line that does harm at drawn bytes    lies.py      boards and hosts that lie, from the message tables
cases.py     what each number of a campaign is       trial.py     one case, and what came of it
campaign.py  many cases, in processes, gone on with where they were left
"""
