"""Scanning a collection, decoding included, beside the bare network on pictures that are ready."""

import os
import tempfile
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks.machine import DEVICE, THREADS
from benchmarks.networks import random_images, seeded
from benchmarks.pictures import photograph
from benchmarks.timing import in_turn
from convscope.engine.inspection.index import Index, Manifest, write_folder
from convscope.engine.inspection.receptive_field import receptive_field
from convscope.engine.inspection.scan import Scan
from convscope.engine.models.catalogue import Catalogue
from convscope.engine.models.model import Model
from convscope.services.common.tuning import tune_process
from convscope.workers.scanning import Scanning

NETWORKS = ("efficientnet_lite0", "resnet18", "resnet50")
IMAGES, SIDE, KEPT, ROUNDS = 128, 320, 32, 3
BATCHES = (8, 16, 32)
AT_LEAST = 0.9


def run() -> None:
    tune_process()  # as workers are, for either side
    torch.set_num_threads(THREADS)
    files = _crops()
    columns = (
        "network",
        "layers kept",
        "bare, ms an image",
        "scan, ms an image",
        "bare / scan",
        "at least",
        "KB an image",
    )
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for network in NETWORKS:
        model = Catalogue.read().load(network, device=DEVICE) if network.startswith("eff") else seeded(network)
        for layers in ((), (model.layers.suggested or "",)):
            print(_row(model, files, layers), flush=True)


def _row(model: Model, files: list[bytes], layers: tuple[str, ...]) -> str:
    module = model.variant("float32")

    @torch.no_grad()
    def bare(images: Tensor) -> None:
        for _ in range(IMAGES // len(images)):
            module(images)

    pictures = {f"bare {batch}": random_images(batch) for batch in BATCHES}
    ways = {name: lambda images=images: bare(images) for name, images in pictures.items()}
    times = in_turn({**ways, "scan": lambda: _scanned(model, files, layers)}, rounds=ROUNDS, warm_up=1)
    best = min(times[name] for name in pictures)
    size = _size(model, files, layers) / IMAGES / 1024
    cells = (
        model.name, len(layers), f"{best / IMAGES * 1000:.1f}", f"{times['scan'] / IMAGES * 1000:.1f}",
        f"**{best / times['scan']:.2f}**", AT_LEAST, f"{size:.1f}",
    )  # fmt: skip
    return f"| {' | '.join(map(str, cells))} |"


def _scanned(model: Model, files: list[bytes], layers: tuple[str, ...]) -> Scanning:
    scan = Scan(model, layers=layers, k=KEPT)
    scanning = Scanning(model, scan, files.__getitem__, range(IMAGES), k=KEPT, threads=os.cpu_count() or 1)
    while not scanning.over:
        scanning.advance()
    scanning.close()
    return scanning


def _size(model: Model, files: list[bytes], layers: tuple[str, ...]) -> int:
    shard = _scanned(model, files, layers).shard()
    height, width = model.preprocessing.height, model.preprocessing.width
    manifest = Manifest(
        model.name, model.weights_digest, height, width, "", shard.findings.embeddings.shape[1], layers, KEPT, IMAGES
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        write_folder(path, manifest, [receptive_field(model, layer) for layer in layers], None, [shard])
        assert Index(path).manifest == manifest
        return sum(file.stat().st_size for file in path.iterdir())


def _crops() -> list[bytes]:
    """Different JPEGs of a real photograph."""
    picture = Image.open(BytesIO(photograph()))
    chance = np.random.default_rng(0)
    files = []
    for _ in range(IMAGES):
        left, top = (int(chance.integers(0, length - SIDE)) for length in picture.size)
        file = BytesIO()
        picture.crop((left, top, left + SIDE, top + SIDE)).save(file, "JPEG", quality=90)
        files.append(file.getvalue())
    return files
