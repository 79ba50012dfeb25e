"""A collection as both clients give it: made, found, listed, deleted, its images."""

import inspect
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from convscope.client import (
    AsyncCollection,
    AsyncCollectionJob,
    Client,
    Collection,
    CollectionJob,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    ServerFault,
)
from convscope.client.job_info import COLLECTION_KINDS
from convscope.client.readings import READINGS
from convscope.v1 import collection_service_pb2 as messages
from tests.clients.collections.calls import MODEL, Calls, of_type
from tests.clients.collections.stand_in import (
    LENGTH,
    CollectionStandIn,
    plain,
    plain_png,
)
from tests.clients.test_async_client import public_methods


@pytest.mark.parametrize(
    ("plain_class", "async_class"), [(Collection, AsyncCollection), (CollectionJob, AsyncCollectionJob)]
)
def test_both_clients_classes_have_the_same_methods_and_parameters(plain_class: type, async_class: type) -> None:
    assert public_methods(async_class) == public_methods(plain_class)
    for name in public_methods(plain_class):
        found, expected = (inspect.signature(getattr(cls, name)).parameters for cls in (async_class, plain_class))
        assert found == expected, name


def test_a_result_can_be_read_of_every_kind_of_job_on_a_collection() -> None:
    assert set(READINGS) == set(COLLECTION_KINDS)


def test_a_collection_is_made_empty(calls: Calls, kept: CollectionStandIn) -> None:
    made = calls.client("create_collection", "holiday photos")
    (request,) = kept.asked
    assert (request.display_name, len(request.request_id)) == ("holiday photos", 32)
    assert (made.name, made.display_name, made.image_count, made.size) == ("collections/0001", "holiday photos", 0, 0)
    assert (made.indexes, made.jobs, made.broken, made.broken_count, made.duplicate_count) == ((), (), (), 0, 0)
    assert made.annotation_count == 0
    assert abs(made.created - datetime.now(UTC)) < timedelta(minutes=1)
    assert repr(made).endswith("Collection('collections/0001')")
    assert str(made) == "collections/0001: holiday photos, 0 images"


def test_a_call_with_one_name_or_a_lost_answer_makes_one_collection(calls: Calls, kept: CollectionStandIn) -> None:
    made = [calls.client("create_collection", "photos", request_id="mine").name for _ in range(2)]
    assert made == ["collections/0001"] * 2
    kept.lost_answers = 1
    assert calls.client("create_collection", "photos").name == "collections/0002"
    assert len(kept.kept) == 2


def test_a_collection_is_found_by_its_name_whole_or_short(calls: Calls, kept: CollectionStandIn) -> None:
    name = kept.add_collection(images=2)
    kept.kept[name].record.jobs.append("jobs/7")
    kept.add_index(name, MODEL, "layer3", "fc")
    for one in (name, name.removeprefix("collections/")):
        found = calls.client("collection", one)
        assert (found.name, found.image_count, found.jobs) == (name, 2, ("jobs/7",))
    (index,) = found.indexes
    assert (index.model, index.layers, index.embedding_length) == (MODEL, ("layer3", "fc"), LENGTH)
    assert (index.image_count, index.patches_per_channel, index.size) == (2, 32, 1000)
    assert (index.embedding_layer, index.weights_digest, index.indexed_count) == ("", "ab" * 32, None)
    assert index.updated is not None
    assert str(index) == f"{MODEL}: 2 images, {LENGTH} numbers each, patches of layer3, fc"
    with pytest.raises(NotFound, match="there is no collections/nobody") as caught:
        calls.client("collection", "nobody")
    assert caught.value.reason == "UNKNOWN_COLLECTION"


def test_all_collections_are_listed_over_all_pages(calls: Calls, kept: CollectionStandIn) -> None:
    names = [kept.add_collection(f"photos {number}") for number in range(7)]
    found = calls.client("collections")
    assert [one.name for one in found] == names[::-1]
    assert found[0].display_name == "photos 6"
    assert [request.page_token for request in of_type(kept, messages.ListCollectionsRequest)] == ["", "3", "6"]


def test_refresh_tells_what_has_changed(client: Client, kept: CollectionStandIn) -> None:
    photos = client.create_collection("photos")
    kept._take(kept.kept[photos.name], "a.png", plain_png(0))
    assert photos.image_count == 0
    assert photos.refresh() is photos
    assert (photos.image_count, photos.size) == (1, len(plain_png(0)))


def test_what_is_deleted_is_not_found_any_more(calls: Calls, kept: CollectionStandIn) -> None:
    busy, idle = kept.add_collection(), kept.add_collection()
    kept.kept[busy].record.jobs.append("jobs/7")
    calls(idle, "delete")
    assert list(kept.kept) == [busy]
    with pytest.raises(NotFound):
        calls(idle, "refresh")
    with pytest.raises(FailedPrecondition, match="jobs/7 works on") as caught:
        calls(busy, "delete")
    assert caught.value.reason == "COLLECTION_BUSY"


def test_images_come_in_their_order_over_all_pages(calls: Calls, kept: CollectionStandIn) -> None:
    name = kept.add_collection(images=5)
    found = calls(name, "images", page_size=2)
    assert [(one.number, one.file_name) for one in found] == [(n, f"image-{n}.png") for n in range(5)]
    assert (found[0].width, found[0].height, found[0].size) == (40, 30, len(plain_png(0)))
    assert len(found[0].sha256) == 64
    assert [request.page_token for request in of_type(kept, messages.ListImagesRequest)] == ["", "2", "4"]


def test_a_page_of_images_is_asked_for_when_it_is_needed(photos: Collection, kept: CollectionStandIn) -> None:
    found = photos.images(page_size=2)
    assert of_type(kept, messages.ListImagesRequest) == []
    assert [next(found).number for _ in range(3)] == [0, 1, 2]
    assert len(of_type(kept, messages.ListImagesRequest)) == 2


def test_an_image_is_fetched_by_its_number(calls: Calls, kept: CollectionStandIn) -> None:
    name = kept.add_collection(images=3)
    picture = calls(name, "image", np.int64(2))
    assert (picture.mode, picture.tobytes()) == ("RGB", plain(2).tobytes())
    with pytest.raises(InvalidArgument, match="there is no image 3") as caught:
        calls(name, "image", 3)
    assert (caught.value.field, caught.value.reason) == ("number", "OUT_OF_RANGE")
    kept.kept[name].images[0] = (kept.kept[name].images[0][0], b"damaged")
    with pytest.raises(ServerFault, match="the image 0 cannot be decoded"):
        calls(name, "image", 0)
