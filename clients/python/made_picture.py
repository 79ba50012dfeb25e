"""One of the pictures of a job."""

from dataclasses import dataclass

from convscope.client.targets import ClassName, Unit


@dataclass(frozen=True)
class MadePicture:
    """What a picture was made for, and how near it has come to it; the picture itself is in Synthesis.images."""

    name: str
    """The file: image-0.png."""
    target: ClassName | None = None
    """The class as it was asked for, index or label; None for a dream, a unit or features."""
    label: str = ""
    """Of that class; empty without one."""
    score: float = 0.0
    """What was ascended, at the end: the score before the softmax for a class."""
    probability: float = 0.0
    """Of the class, as the model gives it to the PNG; 0 without a class."""
    unit: Unit | None = None
    """The channel or neuron, its layer under the model's own name."""
    layer: str = ""
    """The layer whose features it has, under the model's own name."""
    distance: float | None = None
    """Of features: the norm of what they miss over the norm of the wanted ones."""
    similarity: float | None = None
    """Of features of a photograph: the correlation of grey levels with it, -1 to 1."""
    example_numbers: tuple[int, ...] = ()
    """Of its dataset examples in their collection, best first: Collection.image() gives each."""

    @property
    def title(self) -> str:
        """What it was made for, in words: tabby, layer3 channel 5 at 2,4, layer3; empty for a dream."""
        if self.unit is None:
            return self.label or self.layer
        place = "" if self.unit.place is None else f" at {self.unit.place[0]},{self.unit.place[1]}"
        return f"{self.unit.layer} channel {self.unit.channel}{place}"

    @property
    def note(self) -> str:
        """How near it has come to it, in words."""
        if self.unit is not None:
            return f"value {self.score:.4g}"
        if self.distance is not None:
            similarity = "" if self.similarity is None else f", similarity {self.similarity:.2f}"
            return f"distance {self.distance:.2g}{similarity}"
        probability = "" if self.target is None else f", probability {self.probability:.2f}"
        return f"score {self.score:.2f}{probability}"

    def __str__(self) -> str:
        """tabby 31.20 (probability 0.98); layer3 channel 5 12.3; layer3 distance 0.12 similarity 0.80."""
        if self.unit is not None:
            return f"{self.title} {self.score:.4g}"
        if self.distance is not None:
            return f"{self.title} {self.note.replace(',', '')}"
        probability = "" if self.target is None else f" (probability {self.probability:.2f})"
        return f"{self.title} {self.score:.2f}{probability}".lstrip()
