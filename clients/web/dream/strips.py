"""Rows of small pictures that go with what a job made."""

from collections.abc import Sequence
from typing import Any

from PIL import Image

from convscope.client import Synthesis
from convscope.client.synthesis import CHAIN, EXAMPLES
from convscope.web.data_urls import jpeg_url, png_url
from convscope.web.dream.sheet_pictures import sheet_pictures

SIDE = 256
"""The longest side of what is drawn, pixels; smaller pictures stay as they are."""

Strip = dict[str, Any]
"""As the page takes it: name, title, and the url and note of each picture."""


def strip(name: str, title: str, pictures: Sequence[Image.Image], notes: Sequence[str] = ()) -> Strip:
    """name: examples, chain or samples; notes: none, or one for each picture."""
    said = notes or [""] * len(pictures)
    drawn = [{"url": _url(picture), "note": note} for picture, note in zip(pictures, said, strict=True)]
    return {"name": name, "title": title, "pictures": drawn}


def strips_of(made: Synthesis) -> list[Strip]:
    """Of what was fetched: of each target or unit its dataset examples, of each picture its way."""
    return [*_examples(made), *_chains(made)]


def natural_pictures(made: Synthesis) -> list[list[Image.Image]]:
    """The dataset examples of each target or unit, best first; none where none were fetched."""
    return [pictures for _, *pictures in sheet_pictures(made.examples)] if EXAMPLES in made.files else []


def _examples(made: Synthesis) -> list[Strip]:
    found = []
    rows = natural_pictures(made)
    for place, pictures in enumerate(rows):
        one = made.made[place * len(made.made) // len(rows)]
        numbers = [f"image {number}" for number in one.example_numbers]
        if pictures:
            notes = numbers if len(numbers) == len(pictures) else []
            found.append(strip("examples", f"Dataset examples of {one.title}, the best first", pictures, notes))
    return found


def _chains(made: Synthesis) -> list[Strip]:
    if CHAIN not in made.files:
        return []
    rows = sheet_pictures(made.chain, made.images[0].size, captions=False)
    several = len(made.made) > 1
    titles = [f"The chain of pictures{f' of {one.title}' if several else ''}" for one in made.made]
    return [
        strip("chain", f"{title}, from the first to the last", pictures)
        for title, pictures in zip(titles, rows, strict=False)
    ]


def _url(picture: Image.Image) -> str:
    small = picture.copy()
    small.thumbnail((SIDE, SIDE))
    # Of few pixels a JPEG spoils too many, and it has no place that is nothing.
    return png_url(small) if max(small.size) < SIDE // 2 or small.mode != "RGB" else jpeg_url(small)
