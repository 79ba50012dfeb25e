"""Questions about the pictures of collections, and which comes next."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from convscope.client import AnnotationInfo, Answer, AsyncCollection
from convscope.web.cluster import Cluster

PAGE_SIZE = 1000


@dataclass(frozen=True)
class Questions:
    """Those of a collection, in the order in which they came."""

    infos: tuple[AnnotationInfo, ...]

    @property
    def seen(self) -> int:
        """Of how many it is known where somebody looked."""
        return sum(info.attention_map_count > 0 for info in self.infos)

    def after(self, before: str | None) -> AnnotationInfo | None:
        """One with the fewest maps, the first of these behind `before`; that one again only where there is no other.
        None of none."""
        place = next((place for place, info in enumerate(self.infos) if info.id == before), -1)
        others: Sequence[AnnotationInfo] = self.infos[place + 1 :] + self.infos[: max(place, 0)]
        return min(others or self.infos, key=lambda info: info.attention_map_count, default=None)


async def questions(collection: AsyncCollection) -> Questions:
    """What is asked about its pictures. Raises ClientError."""
    found = [info async for info in collection.annotations(page_size=PAGE_SIZE) if isinstance(info.target, Answer)]
    return Questions(tuple(found))


async def asking(cluster: Cluster) -> list[AsyncCollection]:
    """The collections about whose pictures something is asked, the newest first. Raises ClientError."""
    known = [one for one in await cluster.client.collections() if one.annotation_count]
    asks = await asyncio.gather(*map(_asks, known))
    return [one for one, does in zip(known, asks, strict=True) if does]


def in_words(target: Answer) -> str:
    """What color is the star?"""
    said = target.question.strip()
    return said[:1].upper() + said[1:] + ("" if said.endswith("?") else "?")


async def _asks(collection: AsyncCollection) -> bool:
    async for info in collection.annotations(page_size=PAGE_SIZE):
        if isinstance(info.target, Answer):
            return True
    return False
