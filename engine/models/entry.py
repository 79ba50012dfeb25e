"""One entry of the catalogue: a name, and where its network comes from."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from convscope.engine.models.preprocessing import Preprocessing
from convscope.engine.words.task import Task

SHIPPED = {
    "efficientnet_lite": "published ImageNet weights",
    "shapes": "trained on convscope's small world of shapes",
}
"""What sources bring along."""
WEIGHTS_SUFFIXES = (".safetensors", ".pt", ".pth", ".bin")


class Entry(BaseModel):
    """A model of the catalogue, as a [[models]] table of its TOML file gives it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}$")]
    """The model's name: small letters, digits, `_`, `.`, `-`."""
    source: Literal["torchvision", "efficientnet_lite", "shapes", "factory"]
    """Where the network comes from."""
    network: str
    """Its name there: resnet50, lite0, or package.module:factory."""
    weights: str = ""
    """A torchvision weights name (IMAGENET1K_V2, DEFAULT) or a safetensors or state-dict file, relative to the
    catalogue. Empty: what the source ships (efficientnet_lite, shapes), else random from `seed`."""
    weights_sha256: str = ""
    """SHA-256 that the weights file must have, hex; empty: not checked."""
    seed: Annotated[int, Field(ge=-(2**63), lt=2**64)] = 0
    """Seed of random weights."""
    arguments: dict[str, Any] = {}
    """Keyword arguments of the network's builder; for example { num_classes = 10 }."""
    labels: list[str] | str = ""
    """Class labels: a list, or a text file with one a line, relative to the catalogue. Empty: what the source
    knows."""
    task: Task | None = None
    """What the network does: classify, caption or vqa; None: what the source knows, else classify."""
    tokenizer: list[str] | str = ""
    """Of a network that reads or writes words: its words in the order of their tokens from 1, where 0 is the end (a
    list, or a text file with one a line, relative to the catalogue); or package.module:factory of a Tokenizer.
    Empty: what the source knows."""
    preprocessing: dict[str, Any] = {}
    """What differs from the source's preprocessing; fields of Preprocessing."""
    layer: str = ""
    """The layer that Grad-CAM should use; empty: found by a pass."""
    description: str = ""
    """For people; empty: made from the fields above."""
    folder: Path = Path()
    """Folder of the catalogue's file; set when it is read."""

    @property
    def weights_file(self) -> Path | None:
        """The file that `weights` names; None where it names none."""
        return self.folder / self.weights if self.weights.endswith(WEIGHTS_SUFFIXES) else None

    @property
    def tokenizer_file(self) -> Path | None:
        """The file that `tokenizer` names; None where it names none."""
        names_file = isinstance(self.tokenizer, str) and self.tokenizer and ":" not in self.tokenizer
        return self.folder / str(self.tokenizer) if names_file else None

    def preprocessing_over(self, base: Preprocessing) -> Preprocessing:
        """The source's preprocessing with this entry's changes. Raises pydantic's ValidationError."""
        return Preprocessing.model_validate(base.model_dump() | self.preprocessing)

    def describe(self) -> str:
        """One line for people."""
        if self.description:
            return self.description
        shipped = SHIPPED.get(self.source, f"random weights, seed {self.seed}")
        return f"{self.source} {self.network}, {self.weights or shipped}"
