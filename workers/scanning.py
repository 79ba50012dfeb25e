"""A part of a collection through a model: the next pictures are read and decoded while the model runs."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convscope.engine.imaging.decode import decode
from convscope.engine.inspection.index import Shard
from convscope.engine.inspection.scan import Findings, Scan
from convscope.engine.inspection.thumbnails import pixel_vector, thumbnail
from convscope.engine.models.model import Model

# Fixed, because other batches round otherwise, and a scan that goes on elsewhere is to give the same.
BATCH = {"cpu": 16, "cuda": 64}


@dataclass(frozen=True)
class _Read:
    """A picture as the scan takes it."""

    image: Tensor
    """uint8 [3, H, W]."""
    pixels: NDArray[np.uint8]
    thumbnail: bytes


class Scanning:
    """Scans pictures with numbers in a row, batch by batch; a context, whose end gives up what is being read."""

    def __init__(
        self, model: Model, scan: Scan, read: Callable[[int], bytes], numbers: range, *, k: int, readers: int
    ) -> None:
        """read: the file of a picture. k: activations kept for each channel. readers: pictures decoded at once."""
        self._model = model
        self._scan = scan
        self._read = read
        self._k = k
        size = BATCH.get(model.device.type, BATCH["cpu"])
        self._batches = [numbers[start : start + size] for start in range(0, len(numbers), size)]
        self._pool = ThreadPoolExecutor(readers, thread_name_prefix="reader")
        # Two batches ahead: one is decoded while the model runs the other.
        self._reading: list[list[Future[_Read]]] = [self._begin(batch) for batch in self._batches[:2]]
        self._found: list[Findings] = []
        self._pixels: list[NDArray[np.uint8]] = []
        self._thumbnails: list[bytes] = []

    @property
    def done(self) -> int:
        """Pictures that are through."""
        return len(self._thumbnails)

    @property
    def over(self) -> bool:
        return len(self._found) == len(self._batches)

    def advance(self) -> None:
        """Run the next batch. Raises what reading and decoding raise."""
        place = len(self._found)
        pictures = [future.result() for future in self._reading.pop(0)]
        if place + 2 < len(self._batches):
            self._reading.append(self._begin(self._batches[place + 2]))
        pixels = torch.stack([picture.image for picture in pictures]).to(self._model.device)
        images = self._model.preprocessing.normalize(pixels).contiguous(memory_format=torch.channels_last)
        found = self._scan.run(images, self._batches[place].start)
        self._found.append(found)
        self._pixels += [picture.pixels for picture in pictures]
        self._thumbnails += [picture.thumbnail for picture in pictures]

    def shard(self) -> Shard:
        """What was found, once it is over."""
        return Shard(Findings.together(self._found, self._k), np.stack(self._pixels), tuple(self._thumbnails))

    def close(self) -> None:
        """Give up what is being read."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _begin(self, batch: range) -> list[Future[_Read]]:
        return [self._pool.submit(self._prepare, number) for number in batch]

    def _prepare(self, number: int) -> _Read:
        picture = decode(self._read(number), field="image")
        image, _ = self._model.preprocessing.crop(picture)
        return _Read(image, pixel_vector(picture), thumbnail(picture))


def parts_of(first: int, end: int, size: int) -> Iterator[range]:
    """The numbers from `first` on, below `end`, in parts of `size`."""
    for start in range(first, end, size):
        yield range(start, min(end, start + size))
