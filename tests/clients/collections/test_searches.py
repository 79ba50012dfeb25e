"""What an index knows: patches and neighbours."""

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from convscope.client import (
    Collection,
    FailedPrecondition,
    InvalidArgument,
    NeighborComparison,
    Neighbors,
    Patches,
    Preprocessed,
)
from convscope.client.sheet import LONGEST_WORDS, shortened
from convscope.engine.imaging.contact_sheet import CAPTION_HEIGHT
from convscope.v1.inspection_service_pb2 import (
    NEIGHBOR_METRIC_COSINE,
    NEIGHBOR_METRIC_L2,
    NEIGHBOR_SPACE_FEATURES,
    NEIGHBOR_SPACE_PIXELS,
    FindNeighborsRequest,
    FindPatchesRequest,
)
from tests.clients.collections.calls import MODEL, Calls, of_type
from tests.clients.collections.stand_in import (
    PATCH,
    THUMBNAIL,
    CollectionStandIn,
    plain,
    plain_png,
)


def test_patches_come_with_their_places_and_pictures(calls: Calls, kept: CollectionStandIn) -> None:
    name = kept.add_collection(images=6)
    index = kept.add_index(name, MODEL, "layer3")
    found = calls(name, "find_patches", layer="layer3", channel=np.int64(7), k=4)
    assert isinstance(found, Patches)
    assert (len(found), found.exact, found.image_count, found.index_name) == (4, True, 6, index.id)
    assert (found.layer, found.channel, found.model) == ("layer3", 7, MODEL)
    patch = found[1]
    assert (patch.number, patch.file_name, patch.activation, patch.place) == (1, "image-1.png", 9.5, (1, 2))
    assert (patch.region, patch.input_region) == ((1.5, 2, 30, 40), (0, 1, 24, 17))
    assert patch.crop is not None
    assert patch.crop.tobytes() == plain(1, PATCH).tobytes()
    assert [one.number for one in found] == [0, 1, 2, 3]
    assert str(patch) == "image-1.png at 1,2: 9.5"
    assert str(found) == f"layer3 channel 7 of {MODEL}: 4 of 6 images"
    (request,) = of_type(kept, FindPatchesRequest)
    assert request == FindPatchesRequest(
        collection=name, model=f"models/{MODEL}", layer="layer3", channel=7, k=4, crops=True
    )


def test_patches_are_drawn_large_enough_to_be_seen(photos: Collection) -> None:
    found = photos.find_patches("layer3", 7, k=6)
    # 24 x 16 pixels each: five times as large they have about 128.
    assert_rows(found.grid(), [[0, 1, 2], [3, 4, 5]], (5 * PATCH[0], 5 * PATCH[1]))
    shown = found._repr_png_()
    assert shown is not None
    with Image.open(BytesIO(shown)) as picture:
        assert picture.tobytes() == found.grid().tobytes()


def test_patches_may_come_without_pictures(photos: Collection, kept: CollectionStandIn) -> None:
    found = photos.find_patches("layer3", 7, several_per_image=True, crops=False)
    (request,) = of_type(kept, FindPatchesRequest)
    assert (request.several_per_image, request.crops, request.HasField("k")) == (True, False, False)
    assert (found[0].crop, found._repr_png_()) == (None, None)
    with pytest.raises(FailedPrecondition, match="the crops were not asked for"):
        found.grid()


def test_the_model_may_be_left_out_where_there_is_but_one(calls: Calls, kept: CollectionStandIn) -> None:
    name = kept.add_collection(images=2)
    asks: list[tuple[str, tuple[Any, ...]]] = [
        ("find_patches", ("layer3", 7)), ("find_neighbors", (1,)), ("compare_neighbors", (1,)),
    ]  # fmt: skip
    for method, arguments in asks:
        with pytest.raises(InvalidArgument, match=f"a model must be named: {name} has no index") as caught:
            calls(name, method, *arguments)
        assert (caught.value.field, caught.value.status) == ("model", "")
    kept.add_index(name, MODEL, "layer3")
    kept.add_index(name, MODEL, "layer3", "fc")
    for method, arguments in asks:
        found = calls(name, method, *arguments)
        rows = [found.features, found.pixels] if isinstance(found, NeighborComparison) else [found]
        assert {row.model for row in rows} == {MODEL}
    kept.add_index(name, "another", "layer3")
    for method, arguments in asks:
        with pytest.raises(InvalidArgument, match=f"has indexes of another, {MODEL}") as caught:
            calls(name, method, *arguments)
        assert caught.value.field == "model"
        calls(name, method, *arguments, model="another")
    searches = of_type(kept, FindPatchesRequest) + of_type(kept, FindNeighborsRequest)
    assert {one.model for one in searches} == {f"models/{MODEL}", "models/another"}


def test_a_layer_that_no_index_has_is_told(photos: Collection) -> None:
    with pytest.raises(FailedPrecondition, match=r"no index of .* has the layer 'conv1'") as caught:
        photos.find_patches("conv1", 0)
    assert (caught.value.field, caught.value.reason) == ("layer", "NO_INDEX")


def test_neighbors_of_a_picture_come_with_what_the_model_says(calls: Calls, kept: CollectionStandIn) -> None:
    name = kept.add_collection(images=6)
    index = kept.add_index(name, MODEL)
    found = calls(name, "find_neighbors", plain_png(9), k=3, metric="cosine", embedding_layer="layer2", model=MODEL)
    assert isinstance(found, Neighbors)
    assert (len(found), found.space, found.metric, found.model) == (3, "features", "cosine", MODEL)
    assert (found.index_name, found.image_count) == (index.id, 6)
    near = found[2]
    assert (near.number, near.file_name, near.distance, near.prediction.label) == (2, "image-2.png", 0.5, "tabby")
    assert near.thumbnail is not None
    assert (near.thumbnail.mode, near.thumbnail.size) == ("RGB", THUMBNAIL)
    assert str(near) == "image-2.png: 0.5, tabby 50.0%"
    expected = FindNeighborsRequest(
        collection=name, model=f"models/{MODEL}", k=3, space=NEIGHBOR_SPACE_FEATURES, metric=NEIGHBOR_METRIC_COSINE,
        embedding_layer="layer2", thumbnails=True,
    )  # fmt: skip
    expected.image.encoded = plain_png(9)
    assert of_type(kept, FindNeighborsRequest) == [expected]


@pytest.mark.parametrize("number", [0, 3, np.int64(3)], ids=str)
def test_neighbors_of_an_image_of_the_collection_go_by_its_number(
    calls: Calls, kept: CollectionStandIn, number: int
) -> None:
    name = kept.add_collection(images=6)
    kept.add_index(name, MODEL)
    found = calls(name, "find_neighbors", number, space="pixels", embedding_layer="", thumbnails=False)
    assert [one.number for one in found] == [one for one in range(6) if one != number]
    (request,) = of_type(kept, FindNeighborsRequest)
    assert (request.WhichOneof("query"), request.number, request.k) == ("number", number, 5)
    assert (request.space, request.metric) == (NEIGHBOR_SPACE_PIXELS, NEIGHBOR_METRIC_L2)
    assert request.HasField("embedding_layer")
    assert (found[0].thumbnail, found._repr_png_()) == (None, None)
    with pytest.raises(FailedPrecondition, match="the thumbnails were not asked for"):
        found.sheet()


@pytest.mark.parametrize("query", [5, plain(5)], ids=["a number", "a picture"])
def test_neighbors_by_features_and_by_pixels_are_compared_on_one_sheet(
    calls: Calls, kept: CollectionStandIn, query: Any
) -> None:
    name = kept.add_collection(images=6)
    kept.add_index(name, MODEL)
    found = calls(name, "compare_neighbors", query, k=3, metric="cosine")
    assert isinstance(found, NeighborComparison)
    assert (found.query.mode, found.query.tobytes()) == ("RGB", plain(5).tobytes())
    assert (found.features.space, found.features.metric) == ("features", "cosine")
    assert (found.pixels.space, found.pixels.metric) == ("pixels", "l2")
    assert [one.number for one in found.features] == [one.number for one in found.pixels] == [0, 1, 2]
    sheet = found.sheet()
    assert_rows(sheet, [[5, 0, 1, 2], [5, 0, 1, 2]])
    with Image.open(BytesIO(found._repr_png_())) as shown:
        assert shown.tobytes() == sheet.tobytes()
    assert_rows(found.features.sheet(), [[0, 1, 2]])
    assert_rows(found.features.sheet(plain(4)), [[4, 0, 1, 2]])


def test_a_large_query_is_drawn_as_small_as_its_neighbors(photos: Collection) -> None:
    found = photos.compare_neighbors(plain(5, (1200, 800)), k=2)
    assert found.query.size == (1200, 800)
    assert_rows(found.sheet(), [[5, 0, 1], [5, 0, 1]])
    assert max(found.sheet().size) < 600


def test_a_preprocessed_array_cannot_be_compared_pixel_by_pixel(photos: Collection, kept: CollectionStandIn) -> None:
    before = len(kept.asked)
    with pytest.raises(InvalidArgument, match="cannot be compared pixel by pixel") as caught:
        photos.compare_neighbors(Preprocessed(np.zeros((3, 8, 8))))
    assert (caught.value.field, len(kept.asked)) == ("image", before)


def test_a_files_name_of_any_length_fits_below_its_picture(photos: Collection, kept: CollectionStandIn) -> None:
    short = photos.find_patches("layer3", 0, k=4).grid().width
    for number, (image, _) in enumerate(kept.kept[photos.name].images):
        image.file_name = f"a\nname\twith {'x' * 900} in it {number}.png"
    assert photos.find_patches("layer3", 0, k=4).grid().width < 2 * short
    assert (shortened("cat.png"), shortened("a\n cat\t.png")) == ("cat.png", "a cat .png")
    words = shortened(f"holiday{'x' * 50}1234.png")
    assert len(words) == LONGEST_WORDS
    assert (words[:7], words[-8:]) == ("holiday", "1234.png")


def assert_rows(sheet: Image.Image, rows: list[list[int]], size: tuple[int, int] = (30, 20)) -> None:
    """Pictures of these colours stand on the sheet, row by row from the left, each at least `size` wide and high."""
    pixels = np.asarray(sheet).astype(int)
    found: list[tuple[int, int, int]] = []
    for number in sorted({number for row in rows for number in row}):
        # A JPEG changes a colour a little.
        filled = np.abs(pixels - np.array(plain(number).getpixel((0, 0)))).max(axis=2) <= 3
        found += [(top, left, number) for top, left in corners(filled, size)]
    lines: list[list[tuple[int, int]]] = []
    last = -1000
    for top, left, number in sorted(found):
        # Pictures of a row stand on one line, and may be of unequal height.
        if top > last + CAPTION_HEIGHT:
            lines.append([])
        lines[-1].append((left, number))
        last = top
    assert [[number for _, number in sorted(line)] for line in lines] == rows


def corners(filled: NDArray[np.bool_], size: tuple[int, int]) -> list[tuple[int, int]]:
    """Top and left of each filled rectangle that is at least so wide and high."""
    width, height = size
    above, beside = np.pad(filled, ((1, 0), (0, 0)))[:-1], np.pad(filled, ((0, 0), (1, 0)))[:, :-1]
    places = np.argwhere(filled & ~above & ~beside)
    return [(int(y), int(x)) for y, x in places if filled[y : y + height, x : x + width].sum() == width * height]
