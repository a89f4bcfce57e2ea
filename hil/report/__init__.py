"""Results for people: pages and tables.

run_html.py   report.html of runs            evaluation_html.py   evaluation.html of a data set
pages.py      what all pages have in common
terminal.py   tables in the terminal         flamegraph.py        profiles as pictures
"""
