"""Pictures on their way into a collection: files are read one by one, as they are sent."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PillowImage

from convscope.client.bulk import LARGEST
from convscope.client.collection_parse import to_uploaded
from convscope.client.errors import InvalidArgument
from convscope.client.images import Picture, Preprocessed, to_image, to_picture, unreadable
from convscope.client.plans import Stubs
from convscope.client.sending import Sending, sent_name
from convscope.client.synthesis import to_png
from convscope.client.taken import Uploaded
from convscope.v1.collection_service_pb2 import UploadImagesRequest, UploadImagesResponse

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
"""Of the files that are taken from a folder."""
WANTED = "a picture or several, files or folders"


class Upload(Sending[Uploaded]):
    """Pictures for a collection."""

    def __init__(self, collection: str, pictures: Picture | Iterable[Picture]) -> None:
        """collection: collections/{collection}. pictures: of what is no generator, folders are looked into at once.

        Raises InvalidArgument (field `pictures`) for a file or folder among them that is not there, and on the way for
        one that cannot be read.
        """
        self._collection = collection
        self._pictures, total = _expanded(pictures)
        super().__init__(total)

    @staticmethod
    def rpc(stubs: Stubs) -> Any:
        return stubs.collections.UploadImages

    def _opening(self) -> UploadImagesRequest:
        return UploadImagesRequest(collection=self._collection)

    def _messages(self) -> Iterator[tuple[str, UploadImagesRequest | None]]:
        for number, picture in enumerate(self._pictures):
            name, content = _file(picture, number)
            yield name, None if content is None else UploadImagesRequest(file_name=name, content=content)

    def _read(self, response: UploadImagesResponse) -> Uploaded:
        return to_uploaded(response)


def _expanded(pictures: Picture | Iterable[Picture]) -> tuple[Iterable[Picture], int]:
    """The files, with their number where it can be known without running a generator; else 0."""
    single = str | Path | bytes | bytearray | memoryview | PillowImage.Image | Preprocessed
    if isinstance(pictures, single) or (isinstance(pictures, np.ndarray) and pictures.ndim != 4):
        pictures = [pictures]
    if isinstance(pictures, list | tuple):
        found = list(_in_folders(pictures))
        return found, len(found)
    if not isinstance(pictures, Iterable):
        raise InvalidArgument(f"pictures must be {WANTED}, not {pictures!r}", field="pictures", reason="OUT_OF_RANGE")
    return _in_folders(pictures), len(pictures) if isinstance(pictures, np.ndarray) else 0


def _in_folders(pictures: Iterable[Picture]) -> Iterator[Picture]:
    """In place of a folder the pictures in it, by their names."""
    for picture in pictures:
        if isinstance(picture, str | Path):
            yield from _paths(Path(picture))
        else:
            yield picture


def _paths(path: Path) -> list[Path]:
    try:
        place = path.expanduser()
        if place.is_dir():
            return sorted(one for one in place.iterdir() if one.suffix.lower() in SUFFIXES and one.is_file())
        place.stat()
    except (OSError, ValueError, RuntimeError) as error:
        raise unreadable(path, error, field="pictures") from error
    return [place]


def _file(picture: Picture, number: int) -> tuple[str, bytes | None]:
    """The file's name, a made-up one for what has none, and its bytes; None where they are too many to be sent."""
    if isinstance(picture, Path):
        try:
            too_large = picture.stat().st_size > LARGEST
        except OSError as error:
            raise unreadable(picture, error, field="pictures") from error
        return sent_name(picture), None if too_large else _encoded(picture)
    ending = "" if isinstance(picture, bytes | bytearray | memoryview) else ".png"
    return f"picture-{number}{ending}", _encoded(picture)


def _encoded(picture: Picture) -> bytes:
    try:
        image = to_image(picture)
    except InvalidArgument as error:
        error.field = "pictures"
        raise
    if image.WhichOneof("content") == "encoded":
        return image.encoded
    pixels = to_picture(image)
    if pixels is None:
        message = "an array that is preprocessed for a model is no picture of a collection"
        raise InvalidArgument(message, field="pictures", reason="IMAGE_PREPROCESSED")
    return to_png(pixels)
