"""A part of a collection through a model: files are read and decoded while the model runs."""

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convscope.engine.imaging.decode import decode
from convscope.engine.inspection.index import Shard
from convscope.engine.inspection.scan import Findings, Scan
from convscope.engine.inspection.thumbnails import pixel_vector, shrink, thumbnail
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


@dataclass(frozen=True)
class _Scanned:
    """A batch that is through."""

    findings: Findings
    pixels: list[NDArray[np.uint8]]
    thumbnails: list[bytes]


class Scanning:
    """Scans pictures with numbers in a row, batch by batch; a context, whose end gives up what is being read."""

    def __init__(
        self, model: Model, scan: Scan, read: Callable[[int], bytes], numbers: range, *, k: int, threads: int
    ) -> None:
        """read: the file of a picture. k: activations kept for each channel. threads: that may compute at once."""
        self._model = model
        self._scan = scan
        self._read = read
        self._k = k
        size = BATCH.get(model.device.type, BATCH["cpu"])
        self._batches = [numbers[start : start + size] for start in range(0, len(numbers), size)]
        self._threads = torch.get_num_threads()
        # On a CPU each thread takes a batch of its own from the file to what is found: a network that is run by all of
        # them together waits at every operator for the one that decodes.
        self._on_cpu = model.device.type == "cpu"
        streams = threads if self._on_cpu else 1
        self._streams = ThreadPoolExecutor(streams, thread_name_prefix="stream", initializer=self._begin_stream)
        self._readers = None if self._on_cpu else ThreadPoolExecutor(threads, thread_name_prefix="reader")
        self._ahead = 2 * streams
        self._under_way = deque(self._submit(batch) for batch in self._batches[: self._ahead])
        self._scanned: list[_Scanned] = []

    @property
    def done(self) -> int:
        """Pictures that are through."""
        return sum(len(batch.thumbnails) for batch in self._scanned)

    @property
    def over(self) -> bool:
        return len(self._scanned) == len(self._batches)

    def advance(self) -> None:
        """Wait for the next batch. Raises what reading and decoding raise."""
        self._scanned.append(self._under_way.popleft().result())
        following = len(self._scanned) + len(self._under_way)
        if following < len(self._batches):
            self._under_way.append(self._submit(self._batches[following]))

    def shard(self) -> Shard:
        """What was found, once it is over."""
        findings = Findings.together([batch.findings for batch in self._scanned], self._k)
        pixels = [vector for batch in self._scanned for vector in batch.pixels]
        thumbnails = tuple(picture for batch in self._scanned for picture in batch.thumbnails)
        return Shard(findings, np.stack(pixels), thumbnails)

    def to_bytes(self) -> bytes:
        """shard(), as it is kept."""
        return self.shard().to_bytes()

    def close(self) -> None:
        """Give up what is being read."""
        self._streams.shutdown(cancel_futures=True)
        if self._readers is not None:
            self._readers.shutdown(cancel_futures=True)
        if self._on_cpu:
            torch.set_num_threads(self._threads)  # what a stream says counts for threads that come later, too

    def _begin_stream(self) -> None:
        if self._on_cpu:
            torch.set_num_threads(1)

    def _submit(self, batch: range) -> Future[_Scanned]:
        if self._readers is None:
            return self._streams.submit(lambda: self._run(batch.start, map(self._prepare, batch)))
        reading = [self._readers.submit(self._prepare, number) for number in batch]
        return self._streams.submit(lambda: self._run(batch.start, (picture.result() for picture in reading)))

    def _run(self, first: int, reading: Iterable[_Read]) -> _Scanned:
        pictures = list(reading)
        pixels = torch.stack([picture.image.permute(1, 2, 0) for picture in pictures]).to(self._model.device)
        images = self._model.preprocessing.normalize(pixels.permute(0, 3, 1, 2))
        return _Scanned(
            self._scan.run(images, first),
            [picture.pixels for picture in pictures],
            [picture.thumbnail for picture in pictures],
        )

    def _prepare(self, number: int) -> _Read:
        picture = decode(self._read(number), field="image")
        image, _ = self._model.preprocessing.crop(picture)
        small = shrink(picture)
        return _Read(image, pixel_vector(small), thumbnail(small))
