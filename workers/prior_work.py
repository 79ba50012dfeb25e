"""The training of a prior, as a job."""

import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

from convscope.engine.generation.parameters import TrainingParameters
from convscope.engine.generation.training import Training
from convscope.engine.imaging.contact_sheet import Tile, contact_sheet
from convscope.services.common.jobs.job import File, Progress
from convscope.workers.collection_images import CollectionImages
from convscope.workers.collection_pictures import CollectionPictures
from convscope.workers.drawings import png, preview
from convscope.workers.work import Bench, Keep, Work


class PriorWork(Work):
    """Steps of a training. A day on a GPU is several turns."""

    takes_turns = True

    def __init__(self, bench: Bench) -> None:
        """Raises CollectionNotFound, UnknownName, InvalidInput, CheckpointInvalid, OSError."""
        spec = bench.lease.spec
        self._collection: str = spec["collection"]
        model = bench.model(bench.lease.model)
        images = CollectionImages(self._collection, bench)
        self._scratch = tempfile.TemporaryDirectory(prefix="convscope-prior-")
        pictures = CollectionPictures(images, spec["image_count"], model, Path(self._scratch.name))
        try:
            self._training = Training(
                model,
                spec["layer"],
                pictures,
                TrainingParameters.parse(spec["parameters"]),
                source=self._collection,
                checkpoint=bench.checkpoint(),
            )
        except BaseException:
            self._scratch.cleanup()
            raise

    @property
    def over(self) -> bool:
        return self._training.over

    def advance(self) -> None:
        self._training.advance()

    def progress(self) -> Progress:
        """What the generator misses of pictures is what is told: the other losses have other units."""
        found = self._training.progress()
        return Progress(found.step, found.total, found.losses.get("pixel", 0.0), ())

    def checkpoint(self) -> bytes:
        return self._training.checkpoint()

    def preview(self) -> bytes:
        """Held-out pictures, and below each what is made of its code by now."""
        if not self._training.can_show:
            return b""
        real, made = zip(*self._training.samples(), strict=True)
        return preview([*real, *made])

    def leave(self, keep: Keep) -> tuple[dict[str, Any], list[File]]:
        prior = self._training.prior()
        files = [
            keep("prior.safetensors", "application/octet-stream", prior.to_bytes()),
            keep("samples.png", "image/png", png(_sheet(self._training.samples()))),
        ]
        return {"collection": self._collection, "card": prior.card.model_dump(mode="json")}, files

    def close(self) -> None:
        self._scratch.cleanup()


def _sheet(samples: list[tuple[Image.Image, Image.Image]]) -> Image.Image:
    real, made = zip(*samples, strict=True)
    return contact_sheet([[Tile(one, "real") for one in real], [Tile(one, "made") for one in made]])
