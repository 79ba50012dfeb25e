"""The number under which a person's map is kept."""

from itertools import count

from convscope.client import AsyncCollection
from convscope.client.errors import FailedPrecondition


async def keep(collection: AsyncCollection, annotation: str, content: bytes) -> str:
    """Put a map into a collection under the next number that is free for its question; gives the name of its file, as
    VQA-HAT names them. content: PNG. Raises ClientError; FailedPrecondition where the collection does not take it.
    """
    refused: dict[int, str] = {}
    while True:
        known = await collection.annotation(annotation)
        number = next(number for number in count(1) if number not in known.attention_files)
        if number in refused:
            raise FailedPrecondition(f"the map was not taken: {refused[number]}")
        name = f"{annotation}_{number}.png"
        taken = await collection.upload_attention({name: content})
        if not taken.broken_count:
            return name
        # Somebody else may have got the number in between; then the next one is free.
        refused[number] = taken.broken[0].message
