"""Results of commits, with their origin: compared, and kept as a history.

figures.py      run.json, bench.json, an evaluation or a profile as one flat table
origin.py       the commit, branch and computer that results come from
results.py      a results folder: a file a run
openmetrics.py  the same for Prometheus and its kin
measured.py     a project's tests run for their results       github.py   summary and comment
gathering.py    the results of a pytest session's runs
documents.py    files and folders of results, read
tolerance.py    how far a figure may move
difference.py   two sets of results, figure by figure   outcomes.py, profiles.py  beside the figures
store.py        a history's folder of results by commit         steps.py    figures that changed between commits
"""
