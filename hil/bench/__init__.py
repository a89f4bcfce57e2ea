"""One run of a network on a target, judged.

session.py  one target, booted: runs and taps               batch.py     image files through one firmware
compare.py  device against references                       classify.py  the same for classifiers
judge.py    measurements and the verdict                    limits.py    the limits of measurements
run.py      a run's results, as run.json                   replay.py    a recorded session judged again
schema.py   run.json for other programs: a JSON schema
"""
