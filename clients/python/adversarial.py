"""What an attack made: the picture, and what it did to the model."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from PIL import Image as PillowImage

from convscope.client.results import Prediction
from convscope.client.sheet import sheet_of
from convscope.client.synthesis import ORIGINAL, PERTURBATION, Synthesis, to_picture, to_png
from convscope.engine.imaging.contact_sheet import Tile

# Of a picture on the sheet, pixels: the picture itself has the size of the photograph.
LARGEST = 640


@dataclass(frozen=True, eq=False, kw_only=True)
class Adversarial(Synthesis):
    """A picture that was changed, or made from noise, so that the model answers as was wished."""

    fooled: bool
    """Whether the model answers the file image-0.png so."""
    before: tuple[Prediction, ...]
    """The classes that the model gives the original the highest scores, best first."""
    after: tuple[Prediction, ...]
    """Those that it gives the file image-0.png."""
    linf: float
    """Largest change of a value, of values 0 to 1, in the file."""
    l2: float
    """Euclidean norm of the change, likewise."""
    changed: float
    """Part of the pixels that are changed, 0 to 1."""
    steps: int
    """Steps taken."""
    magnification: float
    """What `perturbation` is magnified by."""

    @property
    def image(self) -> PillowImage.Image:
        """RGB: the whole picture in its own size."""
        return self.images[0]

    @cached_property
    def perturbation(self) -> PillowImage.Image:
        """RGB: what was changed, magnified, about grey."""
        return to_picture(self._file(PERTURBATION), PERTURBATION)

    def __str__(self) -> str:
        """flamingo 0.93, was tabby 0.81; L-inf 0.031, L2 2.41, 12 steps; in front of it, where it is so: not fooled."""
        verdict = "" if self.fooled else "not fooled: "
        return f"{verdict}{_best(self.after)}, was {_best(self.before)}; {self._change()}"

    def contact_sheet(self) -> PillowImage.Image:
        """The original, the picture and the perturbation side by side, with what the model says of the first two."""
        title = "fooled" if self.fooled else "not fooled"
        tiles = [
            Tile(self.original, "original", _best(self.before)),
            Tile(self.image, title, _best(self.after)),
            Tile(self.perturbation, f"perturbation x {self.magnification:.3g}", self._change()),
        ]
        return sheet_of([tiles], largest=LARGEST)

    def _repr_png_(self) -> bytes | None:
        """What a notebook shows: all three, for the picture alone looks like the original."""
        if not self.files.keys() >= {*self.names, ORIGINAL, PERTURBATION}:
            return super()._repr_png_()
        return to_png(self.contact_sheet())

    def _change(self) -> str:
        return f"L-inf {self.linf:.2g}, L2 {self.l2:.3g}, {self.steps} step{'' if self.steps == 1 else 's'}"


def _best(predictions: Sequence[Prediction]) -> str:
    return f"{predictions[0].label} {predictions[0].probability:.2f}" if predictions else "nothing"
