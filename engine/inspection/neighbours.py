"""The nearest of many vectors, exactly, or out of what an index proposes."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, get_args

import faiss
import numpy as np
from numpy.typing import NDArray

from convscope.engine.errors import InvalidInput

Metric = Literal["l2", "cosine", "inner_product"]
"""Euclidean distance; one less the cosine of the angle, of a zero vector 1; the product itself, the largest nearest."""

Vectors = NDArray[np.float32] | NDArray[np.uint8]

EXACT_BELOW = 100_000
"""With fewer vectors than this no index is worth its file."""

_BLOCK = 1 << 22
"""How many numbers are worked on at once."""
_QUERIES = 64
"""How many queries are."""
_DEPTH = 2048
"""How many products are summed in float32: the more, the wider the bounds."""
_PROPOSALS = 4
"""How many candidates an index is asked for, for one neighbour."""
_ROUNDING = 2.0**-24
"""Of float32."""


class Neighbours:
    """A collection of vectors to look for neighbours in. To be kept: the first exact search notes their lengths.

    Several threads may search at once. An index is searched by the calling thread alone, whatever OpenMP may use
    elsewhere; exact search multiplies matrices by NumPy, which may use the threads of its BLAS.
    """

    def __init__(self, vectors: Vectors, indexes: Mapping[Metric, Path] | None = None) -> None:
        """vectors: [n, length], float32 or uint8, finite; an array or a memory-mapped file, which need not fit into
        memory and may be read-only. indexes: files of write_index() for these vectors, which stay on disk.

        Raises ValueError for an index of other vectors.
        """
        if vectors.ndim != 2 or vectors.dtype not in (np.float32, np.uint8):
            raise ValueError(f"vectors are [n, length] in float32 or uint8, not {vectors.dtype} {vectors.shape}")
        self._vectors: Vectors = vectors.view(np.ndarray)
        self._lengths: NDArray[np.float64] | None = None
        self._indexes = {metric: _open(path, vectors.shape) for metric, path in (indexes or {}).items()}

    def find(
        self, queries: NDArray[Any], k: int, metric: Metric = "l2", skip: Collection[int] = ()
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The `k` nearest of each query, nearest first, of equals the one with the lowest number first.

        queries: [queries, length]. skip: numbers of vectors that are not to be found, such as the query itself.

        Their numbers and distances (see Metric), both [queries, found]; found is less than k where no more vectors are
        left. Distances are exact to float32, with an index too; only what an index did not propose is missing.

        Raises InvalidInput: field `k` for less than 1, `metric` for one that is not known, `vector` for queries of
        another length or with a number that is not finite.
        """
        if metric not in get_args(Metric):
            raise InvalidInput(f"metric is one of {', '.join(get_args(Metric))}, not {metric!r}", field="metric")
        if k < 1:
            raise InvalidInput(f"k is at least 1, not {k}", field="k")
        queries = self._checked(queries)
        count = len(self._vectors)
        skipped = np.array(sorted({number for number in skip if 0 <= number < count}), np.int64)
        k = min(k, count - len(skipped))
        numbers, ranks = np.empty((len(queries), k), np.int64), np.empty((len(queries), k), np.float32)
        if k:
            for start in range(0, len(queries), _QUERIES):
                part = slice(start, start + _QUERIES)
                numbers[part], ranks[part] = self._nearest(queries[part], k, metric, skipped)
        return numbers, -ranks if metric == "inner_product" else ranks

    def _checked(self, queries: NDArray[Any]) -> NDArray[np.float32]:
        length = self._vectors.shape[1]
        if queries.ndim != 2 or queries.shape[1] != length:
            raise InvalidInput(f"queries are [queries, {length}], not {list(queries.shape)}", field="vector")
        with np.errstate(over="ignore"):
            queries = np.ascontiguousarray(queries, np.float32)
        if not np.isfinite(queries).all():
            raise InvalidInput("a query has a number that is not finite", field="vector")
        return queries

    def _nearest(
        self, queries: NDArray[np.float32], k: int, metric: Metric, skipped: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Numbers and ranks of few queries, both [queries, k]."""
        if metric in self._indexes and (proposed := self._proposed(queries, k, metric, skipped)) is not None:
            best = [_Best(query, k, metric) for query in queries]
            for mine, numbers in zip(best, proposed, strict=True):
                mine.consider(numbers, self._vectors, 0)
        else:
            best = self._scanned(queries, k, metric, skipped)
        return np.stack([mine.numbers for mine in best]), np.stack([mine.ranks for mine in best])

    def _proposed(
        self, queries: NDArray[np.float32], k: int, metric: Metric, skipped: NDArray[np.int64]
    ) -> list[NDArray[np.int64]] | None:
        """The candidates of each query, ascending; None where the index knows too few, or has to look at about all."""
        index = self._indexes[metric]
        lists = faiss.extract_index_ivf(index)
        wanted = _PROPOSALS * max(k, 10) + len(skipped)
        probes = max(lists.nprobe, -(-_PROPOSALS * wanted * lists.nlist // index.ntotal))
        if wanted > index.ntotal or (probes > lists.nprobe and 2 * probes > lists.nlist):
            return None
        within = faiss.SearchParametersIVF()
        within.nprobe = probes
        around = faiss.SearchParametersPreTransform()
        around.index_params = within
        parameters = around if isinstance(index, faiss.IndexPreTransform) else within
        with faiss_threads(1):
            found = index.search(_prepared(queries, metric), wanted, params=parameters)[1]
        proposed = [np.setdiff1d(row[row >= 0], skipped) for row in found]
        return proposed if min(map(len, proposed)) >= k else None

    def _scanned(
        self, queries: NDArray[np.float32], k: int, metric: Metric, skipped: NDArray[np.int64]
    ) -> "list[_Best]":
        """The nearest of all. What float32 cannot rule out is computed exactly."""
        best = [_Best(query, k, metric) for query in queries]
        lengths = np.array([mine.length for mine in best])
        for start, block in _blocks(self._vectors):
            rows = slice(start, start + len(block))
            low, high = _bounds(queries, lengths, block, self._measured()[rows], metric)
            gone = skipped[(skipped >= start) & (skipped < start + len(block))] - start
            low[:, gone] = high[:, gone] = np.inf
            left = len(block) - len(gone)
            limits = np.partition(high, k - 1)[:, k - 1] if k <= left else np.full(len(best), np.inf)
            for mine, lowest, limit in zip(best, low, limits, strict=True):
                # What is not a number was too large for float32.
                possible = ~(lowest > min(limit, mine.worst))
                possible[gone] = False
                mine.consider(np.flatnonzero(possible), block, start)
        return best

    def _measured(self) -> NDArray[np.float64]:
        """The lengths of all vectors, [n]."""
        if self._lengths is None:
            self._lengths = np.concatenate([_lengths(block) for _, block in _blocks(self._vectors)])
        return self._lengths


class _Best:
    """The nearest of one query among those considered so far.

    A key is the square of the Euclidean distance, the cosine distance, or the product with its sign turned, in float64;
    a rank is what orders: the distance that follows, or for products the key, in float32.
    """

    def __init__(self, query: NDArray[np.float32], k: int, metric: Metric) -> None:
        self._k = k
        self._metric = metric
        wide = query.astype(np.float64)
        self.length = float(np.linalg.norm(wide))
        self._query = to_unit_length(wide[None])[0] if metric == "cosine" else wide
        self.numbers = np.empty(0, np.int64)
        self.ranks = np.empty(0, np.float32)
        self._keys = np.empty(0)

    @property
    def worst(self) -> float:
        """The largest key that is kept; infinite while there is room."""
        return float(self._keys.max()) if len(self._keys) == self._k else np.inf

    def consider(self, rows: NDArray[np.int64], block: Vectors, start: int) -> None:
        """Look at some rows of a block, whose first has the number `start`."""
        step = max(1, _BLOCK // 4 // block.shape[1])
        keys = [self._exact(block[rows[at : at + step]]) for at in range(0, len(rows), step)]
        self._keys = np.concatenate([self._keys, *keys])
        self.numbers = np.concatenate([self.numbers, rows + start])
        with np.errstate(over="ignore"):
            ranks = (np.sqrt(self._keys) if self._metric == "l2" else self._keys).astype(np.float32)
        order = np.lexsort((self.numbers, ranks))[: self._k]
        self._keys, self.numbers, self.ranks = self._keys[order], self.numbers[order], ranks[order]

    def _exact(self, vectors: Vectors) -> NDArray[np.float64]:
        wide = np.asarray(vectors, np.float64)
        if self._metric == "inner_product":
            return np.asarray(-np.einsum("nd,d->n", wide, self._query))
        if self._metric == "l2":
            apart = wide - self._query
            return np.asarray(np.einsum("nd,nd->n", apart, apart))
        apart = to_unit_length(wide) - self._query
        halves = np.einsum("nd,nd->n", apart, apart) / 2
        halves[halves < 1e-30] = 0  # the rounding of float64, where one vector is a multiple of the other
        return np.where(wide.any(axis=1) & bool(self.length), halves, 1)


def _bounds(
    queries: NDArray[np.float32],
    query_lengths: NDArray[np.float64],
    block: Vectors,
    lengths: NDArray[np.float64],
    metric: Metric,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Between which two values the key of every row for every query is, both [queries, rows].

    So wide that keys outside differ in their ranks too.
    """
    length = block.shape[1]
    products = np.zeros((len(queries), len(block)))
    with np.errstate(over="ignore", invalid="ignore"):
        for at in range(0, length, _DEPTH):
            wide = np.asarray(block[:, at : at + _DEPTH], np.float32)
            products += (wide @ queries[:, at : at + _DEPTH].T).T
        scale = query_lengths[:, None] * lengths
        # Higham, "Accuracy and Stability of Numerical Algorithms", section 3.1; and what falls below float32's range.
        error = (min(length, _DEPTH) + 8) * _ROUNDING * scale + length * float(np.finfo(np.float32).tiny)
        if metric == "l2":
            squares = query_lengths[:, None] ** 2 + lengths**2
            keys, slack = squares - 2 * products, 2 * error + 8 * _ROUNDING * squares
        elif metric == "cosine":
            zero = scale == 0
            scale[zero] = 1
            keys, slack = np.where(zero, 1, 1 - products / scale), np.where(zero, 0, error / scale) + 8 * _ROUNDING
        else:
            keys, slack = -products, 2 * error
        return keys - slack, keys + slack


def _blocks(vectors: Vectors) -> Iterator[tuple[int, Vectors]]:
    """Rows that fit into memory, with the number of the first."""
    step = min(1 << 16, max(1, _BLOCK // max(1, vectors.shape[1])))
    for start in range(0, len(vectors), step):
        yield start, vectors[start : start + step]


def _lengths(vectors: Vectors) -> NDArray[np.float64]:
    return np.asarray(np.sqrt(np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64)))


def to_unit_length(vectors: NDArray[Any]) -> NDArray[Any]:
    """Vectors [n, length] of floating type, each scaled to length one; zero vectors stay."""
    lengths = _lengths(vectors)
    return np.asarray(vectors / np.where(lengths == 0, 1, lengths)[:, None].astype(vectors.dtype))


def write_index(
    vectors: Vectors,
    metric: Metric,
    path: Path,
    *,
    seed: int = 0,
    threads: int = 1,
    exact_below: int = EXACT_BELOW,
) -> bool:
    """Write a faiss index of `vectors`, [n, length] in float32 or uint8, for Neighbours. False for less than
    `exact_below` vectors, for which nothing is written.

    It holds them in about 4 sqrt(n) lists (inverted files: Sivic and Zisserman 2003), in 16 bits a number, those of
    uint8 for `l2` in 8, and that much memory is needed here. How many lists a search looks into is measured: so many
    that rows of the collection find 98 of 100 of their nearest. The same bytes for the same vectors, seed, threads
    and processor.
    """
    count = len(vectors)
    if count < exact_below:
        return False
    generator = np.random.default_rng(seed)
    lists = max(1, min(int(4 * count**0.5), count // 40))
    sample = np.sort(generator.choice(count, min(count, 64 * lists), replace=False))
    with faiss_threads(threads):
        index, inverted = _untrained(vectors, metric, lists, generator)
        index.train(_prepared(vectors[sample], metric))
        for _, block in _blocks(vectors):
            index.add(_prepared(block, metric))
        inverted.nprobe = _probes(index, inverted, vectors, metric, np.sort(generator.choice(count, min(count, 100))))
        faiss.write_index(index, str(path))
    return True


def _untrained(
    vectors: Vectors, metric: Metric, lists: int, generator: np.random.Generator
) -> tuple[faiss.Index, faiss.IndexIVF]:
    """An index, and the lists in it."""
    length = vectors.shape[1]
    by_product = metric == "inner_product"
    distance = faiss.METRIC_INNER_PRODUCT if by_product else faiss.METRIC_L2
    direct = vectors.dtype == np.uint8 and metric == "l2"
    code = faiss.ScalarQuantizer.QT_8bit_direct if direct else faiss.ScalarQuantizer.QT_bf16
    coarse = faiss.IndexFlat(length, distance)
    inverted = faiss.IndexIVFScalarQuantizer(coarse, length, lists, code, distance, not direct)
    inverted.cp.seed = int(generator.integers(1 << 31))
    inverted.cp.niter = 10
    inverted.cp.min_points_per_centroid = 1
    inverted.cp.max_points_per_centroid = 64
    inverted.cp.spherical = False  # a list of long vectors is to win over one of short ones
    if direct or by_product:
        return inverted, inverted
    # faiss's own distances lose what is small beside the length of the vectors.
    centre = faiss.CenteringTransform(length)
    return faiss.IndexPreTransform(centre, inverted), inverted


def _probes(
    index: faiss.Index, inverted: faiss.IndexIVF, vectors: Vectors, metric: Metric, rows: NDArray[np.int64]
) -> int:
    """Into how many lists to look."""
    exact, indexed = Neighbours(vectors), Neighbours(vectors)
    indexed._indexes[metric] = index
    queries = np.asarray(vectors[rows])
    _, nearest = exact.find(queries, 11, metric)
    sign = -1 if metric == "inner_product" else 1
    probes = min(8, inverted.nlist)
    while probes < inverted.nlist:
        inverted.nprobe = probes
        _, found = indexed.find(queries, 11, metric)
        if (sign * found <= sign * nearest[:, -1:]).mean() >= 0.98:
            break
        probes = min(2 * probes, inverted.nlist)
    return probes


def _open(path: Path, shape: tuple[int, ...]) -> faiss.Index:
    """An index whose lists stay on disk."""
    index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP)
    if (index.ntotal, index.d) != shape:
        raise ValueError(f"{path} is an index of {index.ntotal} vectors of {index.d} numbers, not of {list(shape)}")
    lists = faiss.extract_index_ivf(index).invlists
    lists = lists and faiss.downcast_InvertedLists(lists)
    if isinstance(lists, faiss.OnDiskInvertedLists):
        lists.prefetch_nthread = 0  # else 32 threads a search
    return index


def _prepared(vectors: Vectors, metric: Metric) -> NDArray[np.float32]:
    """As an index takes them."""
    wide = np.ascontiguousarray(vectors, np.float32)
    return to_unit_length(wide) if metric == "cosine" else wide


@contextmanager
def faiss_threads(count: int) -> Iterator[None]:
    """Let faiss use that many, in what the calling thread asks of it: OpenMP keeps the number for each thread."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(count)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
