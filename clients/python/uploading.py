"""Pictures on their way into a collection: files are read one by one, as they are sent."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
from PIL import Image as PillowImage

from convscope.client.bulk import LARGEST
from convscope.client.collection_info import BrokenFile, in_number
from convscope.client.collection_parse import to_uploaded
from convscope.client.errors import ClientError, InvalidArgument, Unavailable
from convscope.client.images import Picture, Preprocessed, to_image, to_picture, unreadable
from convscope.client.plans import Stubs
from convscope.client.synthesis import to_png
from convscope.client.taken import Uploaded
from convscope.v1.collection_service_pb2 import UploadImagesRequest, UploadImagesResponse

LEFT = -1
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
"""Of the files that are taken from a folder."""
WANTED = "a picture or several, files or folders"
TOO_LARGE = f"the file is larger than the {LARGEST // 1024 // 1024} MiB that can be sent"


class Upload:
    """The two ends of an upload, for either client."""

    def __init__(self, collection: str, pictures: Picture | Iterable[Picture]) -> None:
        """collection: collections/{collection}. pictures: of what is no generator, folders are looked into at once.

        Raises InvalidArgument (field `pictures`) for a file or folder among them that is not there.
        """
        self._collection = collection
        self._pictures, self.total = _expanded(pictures)
        self.gone: SimpleQueue[int] = SimpleQueue()
        """How many files have gone out, each time that it changes; LEFT, from whoever waits no more, ends the call."""
        self._count = 0
        self._too_large: list[BrokenFile] = []
        self._broken: Exception | None = None

    @staticmethod
    def rpc(stubs: Stubs) -> Any:
        """The call."""
        return stubs.collections.UploadImages

    def requests(self) -> Iterator[UploadImagesRequest]:
        """What goes out. It may run in a thread of gRPC's, where what it raises would be lost: finish() raises that."""
        # So that a collection that is not there is told also where there is nothing to send.
        yield UploadImagesRequest(collection=self._collection)
        try:
            for number, picture in enumerate(self._pictures):
                name, content = _file(picture, number)
                request = UploadImagesRequest(file_name=name, content=content or b"")
                # A message over the server's limit would end the stream, the other files with it.
                if content is None or request.ByteSize() > LARGEST:
                    self._too_large.append(BrokenFile(name, TOO_LARGE))
                else:
                    yield request
                self._count += 1
                self.gone.put(self._count)
        except Exception as error:
            self._broken = error

    def finish(self, response: UploadImagesResponse) -> Uploaded:
        """What came of it. Raises InvalidArgument (field `pictures`) for a file that could not be read, and what
        `pictures` raised; the files before it are taken."""
        if self._broken is not None:
            raise self._broken
        found = to_uploaded(response)
        count = found.broken_count + len(self._too_large)
        return replace(found, broken=(*found.broken, *self._too_large), broken_count=count)

    def lost(self, error: ClientError) -> ClientError:
        """What to raise where the call failed: Unavailable where the connection was lost on the way."""
        # A server that is stopped answers CANCELLED to what it has not finished; of a proxy's server it is INTERNAL.
        cut = error.status == "INTERNAL" and "RST_STREAM" in error.message
        if error.reason or not (cut or error.status in ("UNAVAILABLE", "CANCELLED")):
            return error
        if not self._count and isinstance(error, Unavailable):
            return error
        after = f"the upload broke off after {in_number(self._count, 'file')}: {error.message}"
        message = f"{after}; what was taken stays, and uploading all again adds the rest"
        return Unavailable(message, reason="UPLOAD_BROKEN_OFF", status="UNAVAILABLE")


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
        return _text(picture.name), None if too_large else _encoded(picture)
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


def _text(name: str) -> str:
    """A file's name as it can be sent: on some systems it may be bytes that are no text."""
    return name.encode(errors="replace").decode()
