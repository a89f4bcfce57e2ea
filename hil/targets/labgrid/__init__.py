"""A board at a place of a labgrid: --at labgrid:PLACE. Works by labgrid's own coordinator, exporters and drivers.

coordinator.py  requests to the coordinator                  place.py    a place as a board that is held
release.py      releases a place when this process is killed drivers.py  flashing and power
"""
