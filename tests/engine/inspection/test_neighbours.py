"""The nearest of many vectors, against brute force."""

import threading
from pathlib import Path
from typing import Any, get_args

import faiss
import numpy as np
import pytest
from numpy.typing import NDArray

from convscope.engine.errors import InvalidInput
from convscope.engine.inspection.neighbours import EXACT_BELOW, Metric, Neighbours, faiss_threads, write_index

METRICS: tuple[Metric, ...] = get_args(Metric)
COUNT, LENGTH = 4000, 24

Found = tuple[NDArray[np.int64], NDArray[np.float32]]


def by_brute_force(vectors: NDArray[Any], queries: NDArray[Any], k: int, metric: Metric, skip: Any = ()) -> Found:
    """One query after the other, with more digits than float64 has."""
    wide = vectors.astype(np.longdouble)
    left = np.setdiff1d(np.arange(len(vectors)), skip)
    numbers, distances = [], []
    for query in queries.astype(np.longdouble):
        products = wide @ query
        lengths = np.sqrt((wide**2).sum(axis=1) * (query**2).sum())
        ranks = {
            "l2": np.sqrt(((wide - query) ** 2).sum(axis=1)),
            "cosine": 1 - np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0),
            "inner_product": -products,
        }[metric].astype(np.float32)
        order = left[np.lexsort((left, ranks[left]))][:k]
        numbers.append(order)
        distances.append(ranks[order])
    found = np.array(distances, np.float32)
    return np.array(numbers, np.int64), -found if metric == "inner_product" else found


def assert_same(found: Found, expected: Found, rtol: float = 1e-6, atol: float = 1e-12) -> None:
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_allclose(found[1], expected[1], rtol=rtol, atol=atol)
    assert found[0].dtype == np.int64
    assert found[1].dtype == np.float32


def normal(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def clustered(count: int = COUNT, length: int = LENGTH, seed: int = 0) -> NDArray[np.float32]:
    """In 40 clusters, of lengths that differ."""
    generator = np.random.default_rng(seed)
    centres = 3 * generator.standard_normal((40, length))
    vectors = centres[generator.integers(40, size=count)] + generator.standard_normal((count, length))
    return (vectors * generator.uniform(0.8, 1.2, (count, 1))).astype(np.float32)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(("count", "length", "queries"), [(1, 1, 1), (500, 37, 5), (300, 5000, 2), (70_000, 64, 66)])
def test_the_nearest_are_those_of_brute_force(metric: Metric, count: int, length: int, queries: int) -> None:
    """5000 numbers are summed in parts; 70 000 vectors and 66 queries come in several blocks."""
    vectors, asked = normal(count, length), normal(queries, length, seed=1)
    found = Neighbours(vectors).find(asked, 7, metric)
    few = [0, -1]
    expected = by_brute_force(vectors, asked[few], 7, metric)
    assert_same((found[0][few], found[1][few]), expected)


@pytest.mark.parametrize("metric", METRICS)
def test_of_equals_the_lowest_number_comes_first(metric: Metric) -> None:
    """Of 900 vectors of small whole numbers many are the same, and many more as near."""
    generator = np.random.default_rng(2)
    vectors = generator.integers(-2, 3, (900, 3)).astype(np.float32)
    queries = generator.integers(-2, 3, (40, 3)).astype(np.float32)
    for k in (1, 10, 300):
        assert_same(Neighbours(vectors).find(queries, k, metric), by_brute_force(vectors, queries, k, metric))


@pytest.mark.parametrize("metric", METRICS)
def test_more_duplicates_than_are_asked_for_come_in_order(metric: Metric) -> None:
    vectors = np.repeat(normal(3, 50), 100, axis=0)
    numbers, distances = Neighbours(vectors).find(vectors[150:151], 5, metric)
    longest = int(np.argmax(vectors[::100] @ vectors[150])) * 100
    start = longest if metric == "inner_product" else 100
    np.testing.assert_array_equal(numbers[0], np.arange(start, start + 5))
    if metric != "inner_product":
        assert not distances.any()


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("spread", [1.0, 0.01])
def test_what_all_vectors_share_costs_no_digits(metric: Metric, spread: float) -> None:
    """In float32 |a|^2 + |b|^2 - 2ab is off by 1e4 here, the squares of the distances are 2e-2 to 2e2."""
    vectors = (1e4 + spread * normal(800, 100)).astype(np.float32)
    queries = (1e4 + spread * normal(4, 100, seed=1)).astype(np.float32)
    assert_same(Neighbours(vectors).find(queries, 9, metric), by_brute_force(vectors, queries, 9, metric), atol=1e-18)


def test_vectors_that_nearly_coincide_are_told_apart() -> None:
    vectors = np.repeat(10 * normal(4, 200), 150, axis=0)
    vectors += 1e-5 * normal(600, 200, seed=1)
    found = Neighbours(vectors).find(vectors[::50], 12)
    assert_same(found, by_brute_force(vectors, vectors[::50], 12, "l2"))
    assert (found[1][:, 1] < 1e-3).all()


@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1e15, 1e18])
@pytest.mark.parametrize("metric", METRICS)
def test_neither_tiny_nor_huge_vectors_matter(metric: Metric, scale: float) -> None:
    """Products of them leave float32's range."""
    vectors, queries = scale * normal(300, 40), scale * normal(3, 40, seed=1)
    if metric == "inner_product":
        queries = queries / np.float32(scale)
    assert_same(
        Neighbours(vectors).find(queries, 6, metric), by_brute_force(vectors, queries, 6, metric), atol=scale * 1e-9
    )


def test_a_zero_vector_is_at_a_right_angle_to_all() -> None:
    vectors = normal(50, 8)
    vectors[[3, 30]] = 0
    numbers, distances = Neighbours(vectors).find(np.zeros((1, 8)), 50, "cosine")
    np.testing.assert_array_equal(numbers[0], np.arange(50))
    assert (distances == 1).all()
    numbers, distances = Neighbours(vectors).find(vectors[:1], 50, "cosine")
    assert (distances[0][np.isin(numbers[0], [3, 30])] == 1).all()
    assert_same((numbers, distances), by_brute_force(vectors, vectors[:1], 50, "cosine"))


def test_a_multiple_of_a_vector_has_no_angle_to_it() -> None:
    """Which multiple it is does not order them."""
    vector = np.random.default_rng(3).integers(-50, 50, 64)
    vectors = (vector * np.array([[7], [3], [1], [5], [-1]])).astype(np.float32)
    for query in vectors[:4]:
        numbers, distances = Neighbours(vectors).find(query[None], 5, "cosine")
        np.testing.assert_array_equal(numbers[0], np.arange(5))
        np.testing.assert_array_equal(distances[0], [0, 0, 0, 0, 2])


def test_pictures_in_bytes_are_compared_as_numbers() -> None:
    """Not in bytes, whose differences would wrap around."""
    pixels = np.random.default_rng(3).integers(0, 256, (400, 3072), np.uint8)
    expected = by_brute_force(pixels, pixels[:3], 8, "l2")
    assert_same(Neighbours(pixels).find(pixels[:3], 8), expected)
    assert_same(Neighbours(pixels).find(pixels[:3].astype(np.float64), 8), expected)


@pytest.mark.parametrize("metric", METRICS)
def test_skipped_vectors_are_not_found(metric: Metric) -> None:
    vectors = normal(60, 9)
    skip = [5, 5, 7, 59, -1, 60]
    found = Neighbours(vectors).find(vectors[5:6], 100, metric, skip)
    assert found[0].shape == (1, 57)
    assert_same(found, by_brute_force(vectors, vectors[5:6], 100, metric, skip))


def test_of_nothing_nothing_is_found() -> None:
    numbers, distances = Neighbours(np.empty((0, 5), np.float32)).find(normal(3, 5), 4)
    assert numbers.shape == distances.shape == (3, 0)
    numbers, distances = Neighbours(normal(2, 5)).find(normal(3, 5), 4, skip=[0, 1])
    assert numbers.shape == distances.shape == (3, 0)
    numbers, distances = Neighbours(normal(2, 5)).find(normal(0, 5), 4)
    assert numbers.shape == distances.shape == (0, 2)


def test_a_file_that_may_only_be_read_is_enough(tmp_path: Path) -> None:
    vectors = normal(500, 20)
    np.save(tmp_path / "vectors.npy", vectors)
    mapped = np.load(tmp_path / "vectors.npy", mmap_mode="r")
    assert_same(Neighbours(mapped).find(vectors[:4], 5), by_brute_force(vectors, vectors[:4], 5, "l2"))


@pytest.mark.parametrize(
    ("queries", "k", "metric", "field"),
    [
        (np.zeros((1, 5)), 0, "l2", "k"),
        (np.zeros((1, 5)), 1, "manhattan", "metric"),
        (np.zeros((1, 6)), 1, "l2", "vector"),
        (np.zeros(5), 1, "l2", "vector"),
        (np.full((1, 5), np.nan), 1, "l2", "vector"),
        (np.full((1, 5), np.inf), 1, "cosine", "vector"),
        (np.full((1, 5), 1e300), 1, "cosine", "vector"),
    ],
)
def test_what_cannot_be_looked_for_is_named(queries: NDArray[Any], k: int, metric: Any, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Neighbours(normal(4, 5)).find(queries, k, metric)
    assert caught.value.field == field


def test_only_rows_of_float32_or_bytes_are_a_collection() -> None:
    for wrong in (np.zeros((3, 2)), np.zeros(3, np.float32)):
        with pytest.raises(ValueError, match="float32"):
            Neighbours(wrong)  # type: ignore[arg-type]


def indexed(vectors: NDArray[Any], metric: Metric, folder: Path) -> Neighbours:
    """Over a file, with an index."""
    np.save(folder / "vectors.npy", vectors)
    mapped = np.load(folder / "vectors.npy", mmap_mode="r")
    assert write_index(mapped, metric, folder / metric, exact_below=0)
    return Neighbours(mapped, {metric: folder / metric})


def recall(found: Found, expected: Found) -> float:
    pairs = zip(found[0], expected[0], strict=True)
    return float(np.mean([np.isin(mine, true).mean() for mine, true in pairs]))


@pytest.mark.parametrize("metric", METRICS)
def test_an_index_finds_nearly_all_and_their_distances_are_exact(metric: Metric, tmp_path: Path) -> None:
    vectors, queries = clustered()[:-50], clustered()[-50:]
    neighbours = indexed(vectors, metric, tmp_path)
    found = neighbours.find(queries, 10, metric)
    assert recall(found, by_brute_force(vectors, queries, 10, metric)) > 0.95
    for query, numbers, distances in zip(queries, *found, strict=True):
        assert_same(
            by_brute_force(vectors[np.sort(numbers)], query[None], 10, metric),
            (np.argsort(np.argsort(numbers))[None], distances[None]),
        )


@pytest.mark.parametrize("metric", ["l2", "cosine"])
def test_an_index_sees_what_is_small_beside_an_offset(metric: Metric, tmp_path: Path) -> None:
    """And does not put about everything into one list; 1 stands for lists of one length."""
    vectors = (1e4 + clustered(length=128)).astype(np.float32)
    expected = by_brute_force(vectors, vectors[:30], 10, metric)
    assert recall(indexed(vectors, metric, tmp_path).find(vectors[:30], 10, metric), expected) > 0.95
    index = faiss.read_index(str(tmp_path / metric), faiss.IO_FLAG_MMAP)
    lists = faiss.extract_index_ivf(index).invlists
    assert lists is not None
    assert lists.imbalance_factor() < 3


def test_pictures_in_bytes_have_an_index_too(tmp_path: Path) -> None:
    pixels = np.clip(128 + 12 * clustered(length=108), 0, 255).astype(np.uint8)
    found = indexed(pixels, "l2", tmp_path).find(pixels[:30], 10)
    assert recall(found, by_brute_force(pixels, pixels[:30], 10, "l2")) > 0.95
    assert (tmp_path / "l2").stat().st_size < 2.5 * pixels.nbytes  # with 8 bytes for the number of each


@pytest.mark.parametrize("metric", METRICS)
def test_an_index_keeps_to_k_and_to_what_is_skipped(metric: Metric, tmp_path: Path) -> None:
    """Many neighbours take more lists, nearly all take every vector."""
    vectors = clustered()
    neighbours = indexed(vectors, metric, tmp_path)
    for k in (1, 200, COUNT - 5, 2 * COUNT):
        skip = range(100, 105)
        found = neighbours.find(vectors[100:103], k, metric, skip)
        assert found[0].shape == (3, min(k, COUNT - 5))
        assert not np.isin(found[0], skip).any()
        assert recall(found, by_brute_force(vectors, vectors[100:103], k, metric, skip)) > 0.9


def test_another_metric_than_the_indexs_is_exact(tmp_path: Path) -> None:
    vectors = clustered()
    found = indexed(vectors, "l2", tmp_path).find(vectors[:3], 5, "cosine")
    assert_same(found, by_brute_force(vectors, vectors[:3], 5, "cosine"))


def test_the_lists_of_an_index_stay_on_disk(tmp_path: Path) -> None:
    write_index(clustered(), "l2", tmp_path / "index", exact_below=0)
    index = faiss.read_index(str(tmp_path / "index"), faiss.IO_FLAG_MMAP)
    lists = faiss.extract_index_ivf(index).invlists
    assert lists is not None
    assert isinstance(faiss.downcast_InvertedLists(lists), faiss.OnDiskInvertedLists)


@pytest.mark.parametrize("metric", METRICS)
def test_an_index_is_the_same_to_the_byte(metric: Metric, tmp_path: Path) -> None:
    for name, seed in (("one", 7), ("two", 7), ("three", 8)):
        write_index(clustered(), metric, tmp_path / name, seed=seed, exact_below=0)
    one, two, three = ((tmp_path / name).read_bytes() for name in ("one", "two", "three"))
    assert one == two != three


def test_few_vectors_get_no_index(tmp_path: Path) -> None:
    assert not write_index(clustered(), "l2", tmp_path / "index")
    assert not (tmp_path / "index").exists()
    assert COUNT < EXACT_BELOW


def test_vectors_that_are_all_the_same_can_be_indexed(tmp_path: Path) -> None:
    for metric in METRICS:
        neighbours = indexed(np.ones((500, 6), np.float32), metric, tmp_path)
        assert neighbours.find(np.ones((1, 6)), 3, metric)[0].shape == (1, 3)


def test_an_index_of_other_vectors_is_refused(tmp_path: Path) -> None:
    write_index(clustered(), "l2", tmp_path / "index", exact_below=0)
    with pytest.raises(ValueError, match="index of 4000 vectors"):
        Neighbours(clustered()[1:], {"l2": tmp_path / "index"})


def test_the_threads_of_faiss_are_left_as_they_were(tmp_path: Path) -> None:
    """Also while an index is searched, for every other thread."""
    neighbours = indexed(clustered(), "l2", tmp_path)
    seen: list[int] = []

    def look() -> None:
        seen.append(faiss.omp_get_max_threads())

    def in_another_thread() -> None:
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()

    before = faiss.omp_get_max_threads()
    in_another_thread()
    with faiss_threads(3):
        look()
        in_another_thread()
        neighbours.find(clustered()[:2], 5)
        look()
    assert seen[1:] == [3, seen[0], 3]
    assert before == faiss.omp_get_max_threads()


def test_several_threads_search_at_once(tmp_path: Path) -> None:
    vectors = clustered()
    neighbours = indexed(vectors, "l2", tmp_path)
    alone = {metric: neighbours.find(vectors[:20], 5, metric) for metric in METRICS}
    wrong: list[Metric] = []

    def search(metric: Metric) -> None:
        for _ in range(10):
            numbers, distances = neighbours.find(vectors[:20], 5, metric)
            if (numbers != alone[metric][0]).any() or (distances != alone[metric][1]).any():
                wrong.append(metric)

    threads = [threading.Thread(target=search, args=(metric,)) for metric in METRICS * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
