"""What is known about images of a collection: what is asked of each, and where the answer is to be seen."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from convscope.client.errors import ServerFault
from convscope.client.grey import WHITE, Grey, to_levels
from convscope.client.targets import Answer, Caption, Classes, Target, Word

Asked = int | str | Classes | Caption | Word | Answer | None
"""A class by index or label, Classes, a Caption or a Word of it, an Answer; None: what a model itself says."""


@dataclass(frozen=True, eq=False)
class Annotation:
    """What is asked of an image, on its way to a collection: Annotation("7", "a.jpg", Answer("what is it?", "cat"))."""

    id: str
    """Its name within the collection, 1 to 128 letters, digits, dots, hyphens and underscores."""
    image: int | str
    """Number of the image, or the name of its file; of several with that name the first."""
    target: Asked = None
    """What is asked, with the right answer."""
    mask: Grey | None = None
    """A picture of the image's size, bright, over half of white, at the pixels on which the right answer depends, or
    bool [H, W]; None: not known."""


@dataclass(frozen=True)
class AnnotationInfo:
    """What is asked of an image of a collection."""

    id: str
    """Its name within the collection."""
    image_number: int
    """Of the image."""
    target: Target
    """What is asked, with the right answer; None: what a model itself says."""
    masked: bool
    """Whether it has a mask."""
    attention_map_count: int
    """How many people's attention maps it has."""


@dataclass(frozen=True, eq=False)
class AnnotationFiles:
    """An annotation with its mask and its attention maps. The files are here; they are decoded when asked for."""

    info: AnnotationInfo
    mask_file: bytes = field(repr=False)
    """As it came; empty where there is no mask."""
    attention_files: Mapping[int, bytes] = field(repr=False)
    """As they came, by the numbers of the annotators."""

    @cached_property
    def mask(self) -> NDArray[np.bool_] | None:
        """bool [H, W] of the image: the pixels on which the right answer depends; None: not known."""
        if not self.mask_file:
            return None
        bright: NDArray[np.bool_] = to_levels(self.mask_file, f"the mask of {self.info.id}") > WHITE // 2
        return bright

    @cached_property
    def attention_maps(self) -> Mapping[int, NDArray[np.float32]]:
        """float32 [H, W], 0 to 1, large where a person looked, each of a size of its own that covers the whole image;
        by the numbers of the annotators."""
        return {
            number: to_levels(data, f"the attention map {number} of {self.info.id}").astype(np.float32)
            / np.float32(WHITE)
            for number, data in self.attention_files.items()
        }

    def save_attention(self, folder: str | Path) -> list[Path]:
        """Write the attention maps as they came into a folder, which is made where there is none, named as VQA-HAT
        names them: {id}_{annotator}.png. Gives their paths. Raises OSError."""
        place = Path(folder)
        # It names files here, and was made elsewhere.
        if Path(self.info.id).name != self.info.id:
            raise ServerFault(f"{self.info.id!r} is no name of an annotation")
        place.mkdir(parents=True, exist_ok=True)
        paths = [place / f"{self.info.id}_{number}.png" for number in self.attention_files]
        for path, data in zip(paths, self.attention_files.values(), strict=True):
            path.write_bytes(data)
        return paths
