"""Robot Framework keywords for firmware on a target (docs/robot.md).

library.py     HilLibrary, what a suite imports: the keywords of all the files below
stage.py       what they share: the firmware, the target, the latest run
board.py       booting, resetting, crashing on purpose
images.py      images to the board
judgements.py  what a run should be like
line.py        harm on the line
log.py         what log.html shows of a run
"""

from hil.robot.library import HilLibrary

__all__ = ["HilLibrary"]
