"""A small collection to try things on: crops of real photographs."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from convscope.client.client import Client
from convscope.client.collection import Collection

EACH = 24
"""Crops of each photograph."""
SMALLEST = 96
"""Side of the smallest crop, pixels."""


def write_crops(photographs: Sequence[Path], folder: Path, *, each: int = EACH) -> list[Path]:
    """Square crops, the same ones every time, as JPEG files that are named like their photographs."""
    chance = np.random.default_rng(0)
    files = []
    for path in photographs:
        picture = Image.open(path).convert("RGB")
        for number in range(each):
            side = int(chance.integers(SMALLEST, int(min(picture.size) * 0.8)))
            left, top = (int(chance.integers(0, length - side)) for length in picture.size)
            files.append(folder / f"{path.stem}-{number:02}.jpg")
            picture.crop((left, top, left + side, top + side)).save(files[-1], quality=92)
    return files


def make_collection(
    client: Client,
    photographs: Sequence[Path],
    folder: Path,
    *,
    model: str,
    layers: Sequence[str],
    seconds: float,
    each: int = EACH,
) -> Collection:
    """Crops of photographs, written to `folder`, uploaded and indexed. seconds: that the scan may take. each:
    crops of a photograph."""
    collection = client.create_collection("crops of photographs")
    collection.upload(write_crops(photographs, folder, each=each))
    collection.index(model=model, layers=layers).result(timeout=seconds)
    return collection.refresh()
