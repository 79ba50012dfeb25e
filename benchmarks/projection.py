"""t-SNE of ten thousand vectors beside scikit-learn's."""

import time

import numpy as np
from numpy.typing import NDArray
from sklearn.manifold import TSNE

from benchmarks.machine import THREADS
from convscope.engine.inspection.projection import Projection, ProjectionParameters

COUNT, LENGTH, CLUSTERS = 10_000, 64, 10


def run() -> None:
    chance = np.random.default_rng(0)
    of = chance.integers(0, CLUSTERS, COUNT)
    centres = chance.normal(size=(CLUSTERS, LENGTH)) * 3
    vectors = (centres[of] + chance.normal(size=(COUNT, LENGTH))).astype(np.float32)
    print("| t-SNE of 10 000 x 64 | s | five nearest of the same cluster |\n|---|---|---|")
    for name, project in (("scikit-learn", _sklearn), ("convscope", _ours)):
        started = time.perf_counter()
        coordinates = project(vectors)
        seconds = time.perf_counter() - started
        print(f"| {name} | {seconds:.0f} | {_purity(coordinates, of):.3f} |", flush=True)


def _sklearn(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    found: NDArray[np.float32] = TSNE(init="pca", random_state=0, n_jobs=THREADS).fit_transform(vectors)
    return found


def _ours(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    projection = Projection(vectors, ProjectionParameters(), threads=THREADS)
    while projection.advance(50):
        pass
    return projection.coordinates


def _purity(coordinates: NDArray[np.float32], of: NDArray[np.int64]) -> float:
    chosen = np.arange(0, COUNT, 10)
    distances = np.linalg.norm(coordinates[chosen, None] - coordinates[None], axis=2)
    nearest = distances.argsort(axis=1)[:, 1:6]
    return float((of[nearest] == of[chosen, None]).mean())
