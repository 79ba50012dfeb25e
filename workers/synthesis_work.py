"""Pictures in the making, as a job."""

import json
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from convscope.engine.imaging.contact_sheet import Tile, contact_sheet
from convscope.engine.synthesis.synthesis import Synthesis
from convscope.services.common.jobs.job import File, Progress
from convscope.workers.dataset_examples import DatasetExamples
from convscope.workers.drawings import animation, png, preview
from convscope.workers.work import Bench, Keep, Work

FRAMES = 24
EXAMPLES = "examples.png"


class SynthesisWork(Work):
    """A synthesis, with frames of its way."""

    def __init__(self, synthesis: Synthesis, bench: Bench, examples: DatasetExamples | None = None) -> None:
        """examples: of each target, to show beside what was made for it."""
        self._synthesis = synthesis
        self._bench = bench
        self._examples = examples
        self._frames = _framed(synthesis.total, early=True)
        self._drawn: tuple[int, bytes] | None = None

    @property
    def over(self) -> bool:
        return self._synthesis.over

    def advance(self) -> None:
        self._synthesis.advance()
        if self._synthesis.step in self._frames and not self.over:
            self._bench.artifacts.put(self._frame(self._synthesis.step), self.preview())

    def progress(self) -> Progress:
        found = self._synthesis.progress()
        return Progress(found.step, found.total, found.loss, found.scores)

    def checkpoint(self) -> bytes:
        return self._synthesis.checkpoint()

    def preview(self) -> bytes:
        # Drawn once a step, whoever asks.
        if self._drawn is None or self._drawn[0] != self._synthesis.step:
            self._drawn = (self._synthesis.step, preview(self._synthesis.pictures()))
        return self._drawn[1]

    def leave(self, keep: Keep) -> tuple[dict[str, Any], list[File]]:
        synthesis = self._synthesis
        images = [{**known, "file": f"image-{place}.png"} for place, known in enumerate(synthesis.results())]
        values = BytesIO()
        np.save(values, synthesis.values(), allow_pickle=False)
        files = [
            keep(image["file"], "image/png", png(picture))
            for image, picture in zip(images, synthesis.pictures(), strict=True)
        ]
        extra = synthesis.extra_pictures()
        if self._examples is not None:
            extra[EXAMPLES] = self._beside(self._examples, synthesis.pictures())
            copies = len(images) // len(self._examples.numbers)
            for place, image in enumerate(images):
                image["example_numbers"] = self._examples.numbers[place // copies]
        for name, picture in extra.items():
            files.append(keep(name, "image/png", png(picture)))
        files.append(keep("values.npy", "application/octet-stream", values.getvalue()))
        files.append(keep("history.json", "application/json", json.dumps(synthesis.history()).encode()))
        framed = _framed(synthesis.total, early=synthesis.step < synthesis.total)
        way = [step for step in framed if step < synthesis.step]
        frames = [*(self._bench.artifacts.get(self._frame(step)) for step in way), self.preview()]
        files.append(keep("way.gif", "image/gif", animation(frames)))
        return {**synthesis.outcome(), "images": images}, files

    @staticmethod
    def _beside(examples: DatasetExamples, made: list[Image.Image]) -> Image.Image:
        """A row for each target: the first picture that was made for it, then the natural ones."""
        copies = len(made) // len(examples.numbers)
        rows = [
            [Tile(made[place * copies], "made"), *(Tile(picture) for picture in examples.pictures(place))]
            for place in range(len(examples.numbers))
        ]
        return contact_sheet(rows)

    def _frame(self, step: int) -> str:
        # Not under the attempt: whoever makes the same step makes the same picture.
        return f"{self._bench.folder}/way/{step:07}.jpg"


def _framed(total: int, *, early: bool) -> list[int]:
    """The steps that are frames of the animation, but for the last one taken, which always is: evenly over all of them.
    early: for work that may end long before, also some of the first ones, ever farther apart."""
    every = -(-total // FRAMES)
    first = {1 << power for power in range((every - 1).bit_length())} if early else set()
    return sorted({*first, *range(every, total, every)})
