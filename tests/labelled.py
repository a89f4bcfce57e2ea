"""Small made-up data sets in the layouts that trainings read: WIDER FACE's, and a folder a class."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw

from hil.reference.imagenet import CLASSES, FOLDERS


def write_discs(folder: Path, count: int = 4) -> Path:
    """So many photos of 320x240 with a red disc each for a face; returns the folder."""
    photos = folder / "WIDER_train" / "images" / "0--Discs"
    photos.mkdir(parents=True)
    lines = []
    for i in range(count):
        photo = Image.new("RGB", (320, 240), (20, 30 * i, 90))
        box = (40 + 30 * i, 50, 60, 60)
        ImageDraw.Draw(photo).ellipse((box[0], box[1], box[0] + 60, box[1] + 60), fill=(240, 30, 20))
        photo.save(photos / f"0_{i}.jpg", quality=95)
        lines += [f"0--Discs/0_{i}.jpg", "1", " ".join(map(str, box)) + " 0 0 0 0 0 0"]
    (folder / "wider_face_split").mkdir()
    (folder / "wider_face_split" / "wider_face_train_bbx_gt.txt").write_text("\n".join(lines) + "\n")
    return folder


def write_classes(folder: Path) -> Path:
    """Two photos a class of ImageNet-10, a folder each under its number, every other with a name behind it."""
    for i, (number, name) in enumerate(zip(FOLDERS, CLASSES, strict=True)):
        photos = folder / (number if i % 2 else f"{number}_{name}")
        photos.mkdir(parents=True)
        for k in range(2):
            Image.new("RGB", (90 + k, 80), (20 * i, 100, 50 * k)).save(photos / f"{k}.jpg")
    return folder
