"""Maps of digits: what belongs together lies together, and the same map comes out every time."""

from io import BytesIO
from typing import Any

import numpy as np
import openTSNE
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from convscope.engine.errors import InvalidInput, InvalidParameter
from convscope.engine.inspection.perplexity import check_perplexity, largest_perplexity
from convscope.engine.inspection.projection import (
    MapMetric,
    Projection,
    ProjectionParameters,
    pca,
    place,
)

MAPPED = 1400
"""Digits on the map; the other 397 are held out."""

SHORT = ProjectionParameters(early_iterations=30, iterations=30)


@pytest.fixture(scope="module")
def digits() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Pictures, [1797, 64], and which digit each shows, in random order."""
    pictures, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    return pictures[order].astype(np.float32), labels[order]


@pytest.fixture(scope="module")
def projection(digits: tuple[NDArray[np.float32], NDArray[np.int64]]) -> Projection:
    """The map of the first MAPPED digits, finished."""
    projection = Projection(digits[0][:MAPPED])
    assert not projection.advance(projection.total)
    return projection


@pytest.fixture(scope="module")
def of_few(digits: tuple[NDArray[np.float32], NDArray[np.int64]]) -> Projection:
    """The map of the first 500 digits, finished."""
    return finished(digits[0][:500], ProjectionParameters())


def purity(known: NDArray[Any], labels: NDArray[Any], queries: NDArray[Any], wanted: NDArray[Any]) -> float:
    """The share of the ten nearest on a map that show the same digit, without the query itself."""
    distances = np.linalg.norm(queries[:, None].astype(np.float64) - known[None], axis=2)
    distances[distances == 0] = np.inf
    nearest = np.argsort(distances, axis=1)[:, :10]
    return float((labels[nearest] == wanted[:, None]).mean())


def finished(vectors: NDArray[Any], parameters: ProjectionParameters, **others: Any) -> Projection:
    projection = Projection(vectors, parameters, **others)
    projection.advance(projection.total)
    return projection


def same(one: Projection, other: Projection) -> bool:
    """To the byte, and in what further iterations would depend on."""
    mine, others = one.state(), other.state()
    return mine.keys() == others.keys() and all(mine[name].tobytes() == others[name].tobytes() for name in mine)


def test_neighbours_on_a_map_show_the_same_digit(
    digits: tuple[NDArray[np.float32], NDArray[np.int64]], projection: Projection
) -> None:
    """0.97 of them; on the first two principal components 0.56."""
    pictures, labels = digits[0][:MAPPED], digits[1][:MAPPED]
    by_tsne = purity(projection.coordinates, labels, projection.coordinates, labels)
    by_pca = purity(pca(pictures), labels, pca(pictures), labels)
    assert by_tsne > 0.95
    assert 0.5 < by_pca < 0.65


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_a_map_is_as_good_as_opentsnes_own(
    digits: tuple[NDArray[np.float32], NDArray[np.int64]], of_few: Projection, metric: MapMetric
) -> None:
    """From seed to seed ours are 0.517 to 0.529 for Euclidean distances, theirs 0.512 to 0.525."""
    pictures = digits[0][:500]
    ours = of_few if metric == "euclidean" else finished(pictures, ProjectionParameters(metric=metric))
    scaled = pictures / np.linalg.norm(pictures, axis=1, keepdims=True) if metric == "cosine" else pictures
    theirs = openTSNE.TSNE(neighbors="exact", random_state=3).fit(scaled)
    assert ours.divergence == pytest.approx(theirs.kl_divergence, rel=0.05)


def test_the_length_of_a_vector_does_not_matter_to_the_cosine(
    digits: tuple[NDArray[np.float32], NDArray[np.int64]],
) -> None:
    pictures = digits[0][:200]
    parameters = SHORT.model_copy(update={"metric": "cosine"})
    lengths = 2.0 ** np.random.default_rng(1).integers(-3, 4, (200, 1))
    assert same(finished(pictures, parameters), finished(pictures * lengths, parameters))
    assert not same(finished(pictures, SHORT), finished(pictures * lengths, SHORT))


def test_what_all_vectors_share_and_their_scale_do_not_matter(
    digits: tuple[NDArray[np.float32], NDArray[np.int64]], of_few: Projection
) -> None:
    """Rounding alone makes other maps, as another seed would, and as good."""
    pictures, labels = digits[0][:500], digits[1][:500]
    for vectors in (1e20 * pictures, 1e-20 * pictures, 4096 + pictures):
        other = finished(vectors, ProjectionParameters())
        assert other.divergence == pytest.approx(of_few.divergence, rel=0.05)
        assert purity(other.coordinates, labels, other.coordinates, labels) > 0.92
    assert same(finished(2.0**60 * pictures, SHORT), finished(pictures, SHORT))


def test_the_seed_alone_makes_the_map(digits: tuple[NDArray[np.float32], NDArray[np.int64]]) -> None:
    pictures = digits[0][:300]
    one = finished(pictures, SHORT)
    assert same(one, finished(pictures, SHORT))
    assert not same(one, finished(pictures, SHORT.model_copy(update={"seed": 1})))
    assert finished(pictures, SHORT.model_copy(update={"seed": 2**63 - 1})).done == 60


@pytest.mark.parametrize(("count", "length", "steps"), [(700, 64, 11), (10_000, 4, 4)])
def test_a_resumed_map_is_the_undisturbed_one(count: int, length: int, steps: int) -> None:
    """Stopped in either phase and between them, and from 10 000 points on, where openTSNE computes on a grid."""
    vectors = np.random.default_rng(2).standard_normal((count, length)).astype(np.float32)
    parameters = ProjectionParameters(perplexity=10, early_iterations=3 * steps, iterations=2 * steps)
    undisturbed = finished(vectors, parameters)
    resumed = Projection(vectors, parameters)
    for expected in (steps - 1, 3 * steps, 4 * steps - 1, 5 * steps):
        left = resumed.advance(expected - resumed.done)
        assert (resumed.done, left) == (expected, expected < 5 * steps)
        file = BytesIO()
        np.savez(file, **resumed.state())  # type: ignore[arg-type]
        file.seek(0)
        with np.load(file, allow_pickle=False) as state:
            resumed = Projection(vectors, parameters, state=state)
    assert same(resumed, undisturbed)


def test_a_map_runs_no_further_than_its_end(digits: tuple[NDArray[np.float32], NDArray[np.int64]]) -> None:
    projection = Projection(digits[0][:100], SHORT)
    assert projection.divergence is None
    assert projection.advance(0)
    assert not projection.advance(1000)
    assert projection.done == projection.total == 60
    end = projection.coordinates
    assert not projection.advance(10)
    np.testing.assert_array_equal(projection.coordinates, end)
    assert end.shape == (100, 2)
    assert end.dtype == np.float32


def test_a_state_of_other_vectors_is_refused(digits: tuple[NDArray[np.float32], NDArray[np.int64]]) -> None:
    state = Projection(digits[0][:100], SHORT).state()
    with pytest.raises(ValueError, match="101"):
        Projection(digits[0][:101], SHORT, state=state)


def test_the_search_for_neighbours_tells_how_far_it_is_and_can_be_ended() -> None:
    vectors = np.random.default_rng(0).standard_normal((9000, 3))
    told: list[float] = []
    Projection(vectors, report=told.append)
    assert told == [0, 4096 / 9000, 8192 / 9000]

    def end(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Projection(vectors, report=end)


def test_held_out_digits_are_placed_among_their_own(
    digits: tuple[NDArray[np.float32], NDArray[np.int64]], projection: Projection
) -> None:
    """0.97 of the ten nearest of each."""
    pictures, labels = digits
    placed = place(projection.coordinates, pictures[:MAPPED], pictures[MAPPED:])
    assert purity(projection.coordinates, labels[:MAPPED], placed, labels[MAPPED:]) > 0.95
    assert placed.dtype == np.float32
    by_angle = place(projection.coordinates, pictures[:MAPPED], 3 * pictures[MAPPED:], metric="cosine")
    assert purity(projection.coordinates, labels[:MAPPED], by_angle, labels[MAPPED:]) > 0.95


def test_a_vector_is_placed_as_if_it_came_alone(
    digits: tuple[NDArray[np.float32], NDArray[np.int64]], projection: Projection
) -> None:
    pictures = digits[0]
    together = place(projection.coordinates, pictures[:MAPPED], pictures[MAPPED : MAPPED + 4])
    alone = [
        place(projection.coordinates, pictures[:MAPPED], pictures[number : number + 1])[0]
        for number in range(MAPPED, MAPPED + 4)
    ]
    np.testing.assert_array_equal(together, alone)
    assert place(projection.coordinates, pictures[:MAPPED], pictures[:0]).shape == (0, 2)


def test_what_is_on_the_map_is_placed_where_it_is(
    digits: tuple[NDArray[np.float32], NDArray[np.int64]], projection: Projection
) -> None:
    """Wherever the map's middle is; it is about 100 wide."""
    pictures = digits[0][:MAPPED]
    for moved in (0, [300, -40]):
        known = projection.coordinates + np.array(moved, np.float32)
        before = known.copy()
        apart = np.linalg.norm(place(known, pictures, pictures[:100]) - known[:100], axis=1)
        assert np.median(apart) < 0.1
        np.testing.assert_array_equal(known, before)


def test_a_vector_out_of_all_proportion_has_a_place_too(
    digits: tuple[NDArray[np.float32], NDArray[np.int64]], projection: Projection
) -> None:
    """And leaves those that come with it where they are; infinite squares have made openTSNE crash."""
    pictures = digits[0][:MAPPED]
    far = np.vstack([pictures[:1], np.full((1, 64), 3e38), np.full((1, 64), -1e25)])
    placed = place(projection.coordinates, pictures, far)
    assert (np.abs(placed) < 200).all()
    np.testing.assert_array_equal(placed[:1], place(projection.coordinates, pictures, far[:1]))
    scaled = place(projection.coordinates, 2.0**100 * pictures, 2.0**100 * pictures[:1])
    np.testing.assert_array_equal(placed[:1], scaled)


@pytest.mark.parametrize("count", [2000, 20_001])
def test_on_a_map_of_any_size_a_vector_finds_its_place(count: int) -> None:
    """The vectors are their own map, a square 80 wide around (100, 0); above 20 000 the forces come from a grid."""
    vectors = np.random.default_rng(4).uniform([60, -40], [140, 40], (count, 2)).astype(np.float32)
    queries = np.random.default_rng(5).uniform([70, -30], [130, 30], (20, 2)).astype(np.float32)
    apart = np.linalg.norm(place(vectors, vectors, queries) - queries, axis=1)
    assert np.median(apart) < 1.5


@pytest.mark.parametrize(("count", "perplexity", "largest"), [(4, 1.01, "1"), (30, 10, "9.66"), (91, 30.1, "30")])
def test_a_perplexity_too_large_is_named_with_the_largest(count: int, perplexity: float, largest: str) -> None:
    vectors = np.random.default_rng(0).standard_normal((count, 5))
    with pytest.raises(InvalidParameter, match=rf"from 1 to {largest} for {count} vectors, not {perplexity}") as caught:
        Projection(vectors, ProjectionParameters(perplexity=perplexity))
    assert caught.value.field == "perplexity"
    Projection(vectors, ProjectionParameters(perplexity=largest_perplexity(count)))


def test_the_largest_perplexity_is_where_opentsne_begins_to_lower_it(caplog: pytest.LogCaptureFixture) -> None:
    vectors = np.random.default_rng(0).standard_normal((31, 5))
    openTSNE.affinity.MultiscaleMixture(vectors, [largest_perplexity(31)])
    assert not caplog.records
    openTSNE.affinity.MultiscaleMixture(vectors, [largest_perplexity(31) + 0.01])
    assert "too high" in caplog.text


@pytest.mark.parametrize("perplexity", [0.5, 34])
def test_a_perplexity_for_placing_is_checked_too(perplexity: float) -> None:
    vectors = np.random.default_rng(0).standard_normal((100, 2))
    with pytest.raises(InvalidParameter, match=r"from 1 to 33\.33 for 100 vectors") as caught:
        place(vectors, vectors, vectors[:1], perplexity=perplexity)
    assert caught.value.field == "perplexity"


@pytest.mark.parametrize(
    "vectors", [np.zeros((3, 5)), np.zeros(9), np.full((9, 5), np.nan), np.full((9, 5), np.inf), np.full((9, 5), 1e300)]
)
def test_what_cannot_be_mapped_is_named(vectors: NDArray[Any]) -> None:
    with pytest.raises(InvalidInput) as caught:
        Projection(vectors, ProjectionParameters(perplexity=1))
    assert caught.value.field == "vectors"


@pytest.mark.parametrize(
    ("coordinates", "queries", "field"),
    [
        (np.zeros((8, 2)), np.zeros((1, 5)), "coordinates"),
        (np.zeros((9, 3)), np.zeros((1, 5)), "coordinates"),
        (np.full((9, 2), np.nan), np.zeros((1, 5)), "coordinates"),
        (np.zeros((9, 2)), np.zeros((1, 4)), "vector"),
        (np.zeros((9, 2)), np.zeros(5), "vector"),
        (np.zeros((9, 2)), np.full((1, 5), np.nan), "vector"),
    ],
)
def test_what_cannot_be_placed_is_named(coordinates: NDArray[Any], queries: NDArray[Any], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        place(coordinates, np.eye(9, 5), queries, perplexity=1)
    assert caught.value.field == field


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize(
    "vectors",
    [np.zeros((40, 7)), np.ones((40, 3)), np.repeat(np.eye(3), 20, axis=0), np.arange(20.0)[:, None], np.eye(4)],
)
def test_vectors_that_are_the_same_or_on_a_line_have_a_map(vectors: NDArray[Any], metric: MapMetric) -> None:
    perplexity = min(5, largest_perplexity(len(vectors)))
    coordinates = finished(vectors, ProjectionParameters(perplexity=perplexity, metric=metric)).coordinates
    assert np.isfinite(coordinates).all()
    assert np.isfinite(pca(vectors)).all()
    assert np.isfinite(place(coordinates, vectors, vectors[:2], perplexity=1, metric=metric)).all()


@pytest.mark.parametrize(("count", "length"), [(400, 10), (3000, 20), (900, 600), (2, 30)])
def test_components_are_those_of_the_singular_values(count: int, length: int) -> None:
    """Each shape is for another of scikit-learn's solvers, one of which approximates; an offset costs no digits."""
    vectors = np.random.default_rng(6).standard_normal((count, length)) * 2.0 ** -np.arange(length).clip(max=9) + 1000
    centred = vectors.astype(np.float32).astype(np.float64)
    centred -= centred.mean(axis=0)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    expected = left[:, :2] * sizes[:2]
    found = pca(vectors)
    signs = np.sign((found * expected).sum(axis=0))
    np.testing.assert_allclose(found, expected * signs, atol=2e-4 * sizes[0])


def test_the_sign_of_a_component_does_not_depend_on_the_data_s(
    digits: tuple[NDArray[np.float32], NDArray[np.int64]],
) -> None:
    pictures = digits[0]
    found = pca(pictures)
    np.testing.assert_allclose(pca(-pictures), found, atol=1e-2)
    np.testing.assert_array_equal(pca(pictures), found)
    assert (found[np.abs(found).argmax(axis=0), [0, 1]] > 0).all()
    np.testing.assert_allclose(pca(np.array([[1.0, 2], [3, 4]])), [[2**0.5, 0], [-(2**0.5), 0]], atol=1e-6)


def test_of_points_as_far_out_the_first_has_the_positive_coordinate() -> None:
    """However the sums are rounded: every point has its opposite."""
    generator = np.random.default_rng(8)
    half = generator.standard_normal((50, 30)) * np.arange(1, 31) ** -0.5
    vectors = np.concatenate([half, -half]) + 0.1
    found = pca(vectors)
    assert (found[np.abs(found[:50]).argmax(axis=0), [0, 1]] > 0).all()
    for _ in range(20):
        np.testing.assert_allclose(pca(vectors[:, generator.permutation(30)]), found, atol=1e-3)


def test_one_column_is_its_own_component_and_one_vector_has_none() -> None:
    np.testing.assert_allclose(pca(np.array([[5.0], [1], [0]])), [[3, 0], [-1, 0], [-2, 0]], atol=1e-6)
    for few in (np.zeros((1, 3)), np.zeros((0, 3)), np.full((4, 3), np.nan)):
        with pytest.raises(InvalidInput) as caught:
            pca(few)
        assert caught.value.field == "vectors"


@pytest.mark.parametrize(
    ("asked", "count", "given"), [(None, 1000, 30.0), (None, 10, 3.0), (5.0, 16, 5.0), (1.0, 4, 1.0)]
)
def test_the_perplexity_is_what_is_asked_for_or_what_so_few_allow(
    asked: float | None, count: int, given: float
) -> None:
    assert check_perplexity(asked, count) == given


@pytest.mark.parametrize("asked", [0.9, 5.1, float("nan"), float("inf"), -1.0])
def test_a_perplexity_out_of_range_is_told_before_anything_is_queued(asked: float) -> None:
    with pytest.raises(InvalidParameter, match="1 to 5") as caught:
        check_perplexity(asked, 16, field="here")
    assert caught.value.field == "here"


def test_too_few_pictures_for_a_map_are_told() -> None:
    with pytest.raises(InvalidInput, match="at least 4") as caught:
        check_perplexity(None, 3)
    assert (caught.value.field, caught.value.reason) == ("collection", "TOO_FEW_IMAGES")
