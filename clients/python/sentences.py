"""What calls about words return."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from convscope.client.errors import InvalidArgument
from convscope.client.results import Attribution, Prediction, Region
from convscope.engine.imaging.comparison import sentence_sheet
from convscope.engine.imaging.contact_sheet import Tile
from convscope.engine.imaging.overlay import OPACITY


@dataclass(frozen=True)
class Sentence(Sequence[Prediction]):
    """What a model says of a picture: its words in their order, each with its probability after those before it."""

    text: str
    words: tuple[Prediction, ...]
    """`score` is the logarithm of the probability, `index` the place."""
    log_probability: float
    """Of the whole, with its end."""
    region: Region
    """The part (left, top, right, bottom) of the upright original that the model saw."""

    def __len__(self) -> int:
        return len(self.words)

    def __getitem__(self, index):  # type: ignore[no-untyped-def]
        return self.words[index]

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, eq=False)
class SentenceAttribution(Sequence[Attribution]):
    """Which pixels made the model say each word of a caption, in the order of the words."""

    text: str
    attributions: tuple[Attribution, ...]

    def __len__(self) -> int:
        return len(self.attributions)

    def __getitem__(self, index):  # type: ignore[no-untyped-def]
        return self.attributions[index]

    def contact_sheet(self, *, opacity: float = OPACITY, colormap: str = "turbo") -> Image.Image:
        """The picture with its sentence, and each word under its map. Raises InvalidArgument."""
        picture = self.attributions[0].picture
        if picture is None:
            message = "a preprocessed array has no picture to draw on"
            raise InvalidArgument(message, field="picture", reason="NO_PICTURE")
        tiles = [
            Tile(one.overlay(opacity=opacity, colormap=colormap), one.target_name, f"{math.exp(one.explained):.1%}")
            for one in self.attributions
        ]
        return sentence_sheet(picture, self.text, tiles)
