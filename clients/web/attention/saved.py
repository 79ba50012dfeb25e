"""Somebody's work on a question, kept."""

import asyncio
from dataclasses import dataclass

from PIL import Image

from convscope.client import Answer, AsyncCollection
from convscope.client.errors import FailedPrecondition
from convscope.web.attention.annotator import keep
from convscope.web.attention.attention_map import attention_map, png, sharpness
from convscope.web.attention.rubbed import Rubbed


@dataclass(frozen=True, eq=False)
class Saved:
    """What it became."""

    collection: str
    """Its resource name."""
    image_number: int
    """Of the picture in the collection."""
    picture: Image.Image
    """The whole one, upright."""
    target: Answer
    """The question with the right answer, where that is known."""
    answer: str
    """As it was typed."""
    name: str
    """Of the map's file."""
    map: Image.Image
    """Where somebody looked, as it is kept; grey, of the picture's size."""
    part: float
    """Of the picture that was made sharp, 0 to 1."""

    @property
    def explained(self) -> Answer:
        """What a network's map is asked for: the right answer; where that is not known, the one that was given."""
        return Answer(self.target.question, self.target.answer or self.answer.casefold())

    def lines(self, model: str | None = None) -> list[str]:
        """Of a program that does the same. model: one that is asked where it looks."""
        lines = [
            f"collection = client.collection({self.collection!r})",
            f"collection.upload_attention({{{self.name!r}: {self.name!r}}})",
        ]
        if model:
            answer = f"Answer({self.explained.question!r}, {self.explained.answer!r})"
            lines += [
                f"picture = collection.image({self.image_number})",
                f'client.attribute(picture, model={model!r}, method="grad_cam", target={answer}).save("why.png")',
            ]
        return lines


async def save(collection: AsyncCollection, work: Rubbed) -> Saved:
    """Put the map into the collection. Raises ClientError; then nothing is kept."""
    info = (await collection.annotation(work.annotation)).info
    if not isinstance(info.target, Answer):
        raise FailedPrecondition(f"{info.id} asks no question")
    picture = await collection.image(info.image_number)
    sharp = await asyncio.to_thread(sharpness, work.dabs, picture.size)
    seen = await asyncio.to_thread(attention_map, sharp, picture.size)
    name = await keep(collection, info.id, await asyncio.to_thread(png, seen))
    return Saved(collection.name, info.image_number, picture, info.target, work.answer, name, seen, float(sharp.mean()))
