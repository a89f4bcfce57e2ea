"""Robot Framework keywords for firmware on a target (docs/robot.md).

library.py     HilLibrary, what a suite imports: the keywords of all the files below
stage.py       what they share: the firmware, the target, the latest run
board.py       booting, resetting, crashing on purpose
images.py      images to the board
judgements.py  checks of a run
line.py        faults on the line
log.py         a run in log.html
"""

from hil.robot.library import HilLibrary

__all__ = ["HilLibrary"]
