"""Maps of many vectors in the plane."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

import faiss
import numpy as np
from numpy.typing import NDArray
from openTSNE import TSNEEmbedding
from openTSNE.affinity import Affinities, PerplexityBasedNN, joint_probabilities_nn
from openTSNE.nearest_neighbors import PrecomputedNeighbors
from openTSNE.tsne import gradient_descent
from pydantic import Field
from sklearn.decomposition import PCA

from convscope.engine.errors import InvalidInput, InvalidParameter
from convscope.engine.inspection.neighbours import Neighbours, faiss_threads, to_unit_length
from convscope.engine.inspection.perplexity import FEWEST, largest_perplexity
from convscope.engine.parameters import Parameters

MapMetric = Literal["euclidean", "cosine"]
"""Distance of the vectors; of the vectors scaled to length one."""

_BLOCK = 4096
# With more points than this on a map, its forces on others come quicker from a grid than from a tree.
_GRID_FROM = 20_000

Iterations = Annotated[int, Field(ge=0, le=100_000)]


class ProjectionParameters(Parameters):
    """Of t-SNE, with openTSNE's defaults."""

    perplexity: float = Field(default=30, ge=1)
    """About how many neighbours count, at most largest_perplexity()."""
    metric: MapMetric = "euclidean"
    seed: int = Field(default=0, ge=0, lt=1 << 63)
    """Of the start, which is a PCA with a little noise."""
    early_iterations: Iterations = 250
    """At first, with forces between neighbours that are 12 times as strong."""
    iterations: Iterations = 500
    """After those."""


class Projection:
    """t-SNE (van der Maaten and Hinton 2008) by openTSNE, a number of iterations at a time.

    On one machine, with the same libraries and number of threads, the map depends on the vectors and the parameters
    alone, to the byte: not on how the iterations were divided, nor on whether it was resumed from state().
    """

    def __init__(
        self,
        vectors: NDArray[Any],
        parameters: ProjectionParameters | None = None,
        *,
        threads: int = 1,
        state: Mapping[str, NDArray[Any]] | None = None,
        report: Callable[[float], None] | None = None,
    ) -> None:
        """Find every vector's neighbours, exactly, and the start.

        vectors: [n, length], read into memory. threads: how many faiss and openTSNE may use. state: of state(), of the
        same vectors and parameters, to resume from. report: is told the share of the neighbours that is found, now and
        then; what it raises ends the work.

        The neighbours take n^2 products of vectors. Raises InvalidParameter (`perplexity`) for one too large for the
        count; InvalidInput (`vectors`) for less than FEWEST or what is not finite; ValueError for a state of another
        count.
        """
        self.parameters = parameters or ProjectionParameters()
        vectors = _measured(vectors, self.parameters.metric, FEWEST)
        _check_perplexity(self.parameters.perplexity, len(vectors), largest_perplexity(len(vectors)))
        vectors = _centred(vectors)
        vectors /= _largest(vectors)  # infinite squares make openTSNE crash
        self._affinities = _affinities(vectors, self.parameters.perplexity, threads, report or _unreported)
        self._probabilities = self._affinities.P
        optimizer = gradient_descent()
        if state is None:
            self.done = 0
            coordinates = _start(vectors, self.parameters.seed)
            optimizer.gains, optimizer.update = np.ones_like(coordinates), np.zeros_like(coordinates)
        else:
            arrays = [np.array(state[name], np.float64) for name in ("coordinates", "gains", "update")]
            if any(array.shape != (len(vectors), 2) for array in arrays):
                raise ValueError(f"a state for {len(vectors)} vectors has arrays [{len(vectors)}, 2]")
            self.done = int(state["done"])
            coordinates, optimizer.gains, optimizer.update = arrays
        self._map = TSNEEmbedding(coordinates, self._affinities, optimizer=optimizer, n_jobs=threads)

    @property
    def total(self) -> int:
        """How many iterations make the map."""
        return self.parameters.early_iterations + self.parameters.iterations

    def advance(self, iterations: int) -> bool:
        """Run so many iterations, or what is left. Whether any are left then.

        Each call costs one iteration's time besides: openTSNE evaluates the divergence.
        """
        end = min(self.done + iterations, self.total)
        while self.done < end:
            early = self.done < self.parameters.early_iterations
            steps = (min(end, self.parameters.early_iterations) if early else end) - self.done
            # openTSNE multiplies them and divides them again, and would leave their rounding behind.
            self._affinities.P = self._probabilities.copy()
            self._map.optimize(steps, exaggeration=12 if early else None, momentum=0.8, inplace=True)
            self.done += steps
        return self.done < self.total

    @property
    def coordinates(self) -> NDArray[np.float32]:
        """The map so far, [n, 2]."""
        return np.array(self._map, np.float32)

    @property
    def divergence(self) -> float | None:
        """Kullback-Leibler divergence of the map, nats; None before the first iteration of this object."""
        return None if self._map.kl_divergence is None else float(self._map.kl_divergence)

    def state(self) -> dict[str, NDArray[Any]]:
        """What to resume from: `done`, a number, and `coordinates`, `gains` and `update`, float64 [n, 2]."""
        optimizer = self._map.optimizer
        arrays = {"coordinates": self._map, "gains": optimizer.gains, "update": optimizer.update}
        return {"done": np.array(self.done)} | {name: np.array(array) for name, array in arrays.items()}


def pca(vectors: NDArray[Any], *, seed: int = 0) -> NDArray[np.float32]:
    """The first two principal components of vectors [n, length], [n, 2]; zeros where there is no second.

    Of each the sign is such that the first of the points farthest out has a positive coordinate. seed: of the
    approximation that is used where vectors are many and long. Raises InvalidInput (`vectors`) for less than two or
    what is not finite.
    """
    return _components(_centred(_measured(vectors, "euclidean", 2)), seed)


def place(
    coordinates: NDArray[Any],
    vectors: NDArray[Any],
    queries: NDArray[Any],
    *,
    perplexity: float = 5,
    metric: MapMetric = "euclidean",
    threads: int = 1,
) -> NDArray[np.float32]:
    """Where new vectors belong on a map, [queries, 2]; each by itself, and the map stays as it is.

    coordinates: the map, [n, 2]. vectors: its vectors, [n, length]. queries: [queries, length]. perplexity: about how
    many neighbours on the map count for a new vector; openTSNE's default. metric: the map's.

    Poličar, Stražar and Zupan 2021, "Embedding to reference t-SNE space addresses batch effects". Raises
    InvalidParameter (`perplexity`) for less than 1 or more than a third of the map; InvalidInput for what is not
    finite (`coordinates`, `vectors`, `vector`), another count (`coordinates`) or another length (`vector`).
    """
    vectors = _measured(vectors, metric, 3)
    _check_perplexity(perplexity, len(vectors), len(vectors) / 3)
    if coordinates.shape != (len(vectors), 2) or not np.isfinite(coordinates).all():
        message = f"a map of {len(vectors)} vectors is [{len(vectors)}, 2], finite, not {list(coordinates.shape)}"
        raise InvalidInput(message, field="coordinates")
    if queries.shape[1:] != vectors.shape[1:] or not np.isfinite(queries).all():
        message = f"vectors of this map have {vectors.shape[1]} numbers, all finite; these are {list(queries.shape)}"
        raise InvalidInput(message, field="vector")
    if not len(queries):
        return np.empty((0, 2), np.float32)
    wide = np.array(coordinates, np.float64)
    # openTSNE moves a map's middle to zero.
    middle = (wide.max(axis=0) + wide.min(axis=0)) / 2
    method = "fft" if len(wide) > _GRID_FROM else "bh"
    # Here too squares stay finite; and what lies out of all proportion is as far from all.
    largest = _largest(vectors)
    scaled = (_measured(queries, metric, 1).astype(np.float64) / largest).clip(-1e15, 1e15)
    placement = _Placement(vectors / largest, threads)
    known = TSNEEmbedding(wide, placement, negative_gradient_method=method, n_jobs=threads)
    placed = known.transform(scaled, perplexity=perplexity)
    return np.asarray(np.asarray(placed) + middle, np.float32)


class _Placement(Affinities):  # type: ignore[misc]
    """Affinities of new vectors to those of a map, whose own are not needed."""

    def __init__(self, vectors: NDArray[np.float32], threads: int) -> None:
        super().__init__()
        self.P = np.empty((len(vectors), 0))  # for its length
        self._neighbours = Neighbours(vectors)
        self._threads = threads

    def to_new(self, data: NDArray[np.float64], perplexity: float = 5, return_distances: bool = False) -> Any:
        """As openTSNE's, always with the distances."""
        numbers, distances = self._neighbours.find(data, int(3 * perplexity))
        probabilities = joint_probabilities_nn(
            numbers,
            distances,
            [perplexity],
            symmetrize=False,
            normalization="point-wise",
            n_reference_samples=len(self.P),
            n_jobs=self._threads,
        )
        return probabilities, numbers, distances


def _measured(vectors: NDArray[Any], metric: MapMetric, fewest: int) -> NDArray[np.float32]:
    """In memory, so that Euclidean distances are those of the metric."""
    if vectors.ndim != 2 or len(vectors) < fewest:
        message = f"vectors are [n, length], and at least {fewest}, not {list(vectors.shape)}"
        raise InvalidInput(message, field="vectors")
    with np.errstate(over="ignore"):
        wide = np.ascontiguousarray(vectors, np.float32)
    if not np.isfinite(wide).all():
        raise InvalidInput("a vector has a number that is not finite", field="vectors")
    return to_unit_length(wide) if metric == "cosine" else wide


def _check_perplexity(perplexity: float, count: int, largest: float) -> None:
    if not 1 <= perplexity <= largest:
        shown = np.floor(100 * largest) / 100
        message = f"perplexity is from 1 to {shown:g} for {count} vectors, not {perplexity:g}"
        raise InvalidParameter(message, field="perplexity")


def _centred(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Around zero: products in float32 lose what is small beside the length of the vectors."""
    return np.asarray(vectors - vectors.mean(axis=0, dtype=np.float64).astype(np.float32))


def _largest(vectors: NDArray[np.float32]) -> np.float32:
    """The size of the largest number; 1 where all are zero."""
    return np.float32(max(-vectors.min(), vectors.max()) or 1)


def _components(centred: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    found = np.zeros((len(centred), 2), np.float32)
    if centred.any():
        count = min(2, *centred.shape)
        largest = _largest(centred)
        random_state = int(np.random.default_rng(seed).integers(1 << 32))
        found[:, :count] = PCA(count, random_state=random_state).fit_transform(centred / largest) * largest
    size = np.abs(found)
    # About as far out is as far: rounding is not to choose between opposite points.
    first = np.argmax(size >= 0.999 * size.max(axis=0), axis=0)
    return np.where(found[first, [0, 1]] < 0, -found, found)


def _start(centred: NDArray[np.float32], seed: int) -> NDArray[np.float64]:
    """As openTSNE's, but for vectors that are all the same too."""
    components = _components(centred, seed).astype(np.float64)
    spread = components[:, 0].std() or 1
    return np.asarray(components / spread * 1e-4 + np.random.default_rng(seed).normal(0, 1e-6, components.shape))


def _affinities(
    centred: NDArray[np.float32], perplexity: float, threads: int, report: Callable[[float], None]
) -> PerplexityBasedNN:
    count = min(len(centred) - 1, int(3 * perplexity))
    parts = []
    for start in range(0, len(centred), _BLOCK):
        report(start / len(centred))
        with faiss_threads(threads):
            squares, numbers = faiss.knn(centred[start : start + _BLOCK], centred, count + 1)
        own = numbers == np.arange(start, start + len(numbers))[:, None]
        # Without the vector itself, or, where count others are as near, without the last.
        order = np.argsort(own, axis=1, kind="stable")[:, :count]
        parts.append([np.take_along_axis(array, order, axis=1) for array in (numbers, np.sqrt(np.maximum(squares, 0)))])
    numbers, distances = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return PerplexityBasedNN(knn_index=PrecomputedNeighbors(numbers, distances), perplexity=perplexity, n_jobs=threads)


def _unreported(_: float) -> None:
    pass
