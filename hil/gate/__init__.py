"""Commits against each other: what runs found, kept with where it comes from, compared, and its history.

figures.py      run.json, bench.json, an evaluation or a profile as one flat table
origin.py       the commit, branch and computer that results come from
results.py      a results folder: a file a run
openmetrics.py  the same for Prometheus and its kin
measured.py     a project's tests run for their results       github.py   summary and comment
gathering.py    what the runs of a pytest session leave
documents.py    files and folders of results, read
tolerance.py    how far a figure may move
difference.py   two sets of results, figure by figure   outcomes.py, profiles.py  beside the figures
store.py        a history's folder of results by commit         steps.py    what moved from commit to commit
"""
