"""A picture of what each shipped face detector finds: scikit-image's astronaut at three sizes, boxes by the device's C.

`python docs/finds.py FOLDER PICTURE` runs `hil run` for each in the folder and writes a PNG of all of them.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from skimage.data import astronaut

from hil import zoo
from hil.reference.catalogue import SPECS
from hil.reference.networks import DetectorSpec

PLACES = (  # x, y and edge of each astronaut
    (0, 0, 480),
    *((480, y, 160) for y in (0, 240)),
    *((x, y, 80) for x in (480, 560) for y in (160, 400)),
)
SIZE, PANEL, CAPTION, COLUMNS = (640, 480), (400, 300), 20, 2
BOARD = "stm32f429_disco"  # the first that has room for all
BOX, TEXT, PAPER = (255, 220, 0), (20, 20, 20), (255, 255, 255)


def photo(path: Path) -> Path:
    """640x480 pixels: the same face about 110, 37 and 18 pixels high."""
    whole, sheet = Image.fromarray(astronaut()), Image.new("RGB", SIZE, (96, 96, 96))
    for x, y, edge in PLACES:
        sheet.paste(whole.resize((edge, edge), Image.Resampling.LANCZOS), (x, y))
    sheet.save(path)
    return path


def panel(name: str, shown: Path, folder: Path) -> Image.Image:
    """What a network's firmware finds in a photo, above its operating point, with its name below."""
    result = folder / f"{name}.json"
    words = ["run", name, str(shown), "--fit", "--target", "native", "--board", BOARD, "--json", str(result)]
    subprocess.run([sys.executable, "-m", "hil", *words], check=True)
    said = json.loads(result.read_text())
    boxes = [box for box in said["detections"] if box["score"] >= said["operating_point"]]
    _, height, width = SPECS[name].input_shape
    found = Image.new("RGB", (PANEL[0], PANEL[1] + CAPTION), PAPER)
    found.paste(Image.open(shown).resize(PANEL, Image.Resampling.LANCZOS))
    draw = ImageDraw.Draw(found)
    for box in boxes:
        corners = [box[key] * PANEL[i % 2] / (width, height)[i % 2] for i, key in enumerate(("x0", "y0", "x1", "y1"))]
        draw.rectangle(corners, outline=BOX, width=2)
    caption = f"{name}, {width}x{height}: {len(boxes)} boxes"
    draw.text((4, PANEL[1] + 3), caption, TEXT, ImageFont.load_default(13))
    return found


def draw(folder: Path, picture: Path) -> None:
    """Write the picture, a panel a network."""
    shown = photo(folder / "faces.png")
    names = [name for name in SPECS if name in zoo.names() and isinstance(SPECS[name], DetectorSpec)]
    panels = [panel(name, shown, folder) for name in names]
    rows = -(-len(panels) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * PANEL[0], rows * (PANEL[1] + CAPTION)), PAPER)
    for i, one in enumerate(panels):
        sheet.paste(one, (i % COLUMNS * PANEL[0], i // COLUMNS * (PANEL[1] + CAPTION)))
    sheet.save(picture)


if __name__ == "__main__":
    draw(Path(sys.argv[1]), Path(sys.argv[2]))
