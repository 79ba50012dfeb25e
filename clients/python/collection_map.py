"""A map of a collection: similar images near each other."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from convscope.client.errors import ServerFault
from convscope.client.job_info import JobInfo
from convscope.client.synthesis import to_picture

COORDINATES, PICTURE, PAGE = "coordinates.npy", "map.png", "map.html"


@dataclass(frozen=True, eq=False)
class CollectionMap:
    """Where the images of a collection lie on a map. The files are here; they are read when asked for."""

    job: JobInfo
    """The job that made it, as it ended; project(onto=...) goes on from it."""
    collection: str
    """collections/{collection}."""
    index: str
    """Name of the index whose feature vectors are laid out."""
    image_count: int
    """Images on it: those with a number below this."""
    files: Mapping[str, bytes] = field(repr=False)
    """coordinates.npy, map.png and map.html."""

    @cached_property
    def coordinates(self) -> NDArray[np.float32]:
        """float32 [images, 2]: x and y of each image, by its number."""
        try:
            found: NDArray[np.float32] = np.load(BytesIO(self.files[COORDINATES]), allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise ServerFault(f"{COORDINATES} cannot be read: {error}") from error
        if found.dtype != np.float32 or found.shape != (self.image_count, 2):
            raise ServerFault(f"{COORDINATES} holds {found.dtype} {list(found.shape)}, not two numbers for each image")
        return found

    @cached_property
    def picture(self) -> PillowImage.Image:
        """RGB: thumbnails on a grid."""
        return to_picture(self.files[PICTURE], PICTURE)

    @property
    def page(self) -> bytes:
        """An HTML page to look around in; it needs no other file."""
        return self.files[PAGE]

    def __str__(self) -> str:
        return f"a map of {self.image_count} images"

    def save(self, folder: str | Path) -> list[Path]:
        """Write coordinates.npy, map.png and map.html into a folder, which is made where there is none. Gives their
        paths. Raises OSError."""
        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        for name in (COORDINATES, PICTURE, PAGE):
            (place / name).write_bytes(self.files[name])
        return [place / name for name in (COORDINATES, PICTURE, PAGE)]

    def save_page(self, path: str | Path) -> None:
        """Write the page alone. Raises OSError."""
        Path(path).write_bytes(self.page)

    def _repr_png_(self) -> bytes:
        """What a notebook shows."""
        return self.files[PICTURE]
