"""Small pictures of finished jobs."""

import asyncio
from collections import OrderedDict
from io import BytesIO

from PIL import Image

from convscope.web.cluster import Cluster
from convscope.web.data_urls import jpeg_url

SIDE = 160
MOST = 256
"""So many are kept: a job that is done never looks otherwise."""


class Thumbnails:
    """Made when they are first asked for."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._kept: OrderedDict[str, dict[str, str]] = OrderedDict()

    async def of(self, name: str) -> dict[str, str]:
        """url and caption; empty for a job that made no picture. Raises ClientError."""
        if name not in self._kept:
            job = await self._cluster.client.job(name)
            made = await job.result(parts=[])
            if not made.names:
                return {}
            url = await asyncio.to_thread(_small, await job.download(made.names[0]))
            self._kept[name] = {"url": url, "caption": ", ".join(filter(None, (one.title for one in made.made)))}
        self._kept.move_to_end(name)
        while len(self._kept) > MOST:
            self._kept.popitem(last=False)
        return self._kept.get(name, {})


def _small(file: bytes) -> str:
    picture = Image.open(BytesIO(file)).convert("RGB")
    picture.thumbnail((SIDE, SIDE))
    return jpeg_url(picture)
