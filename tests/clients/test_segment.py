"""The method segment: a thing cut out, with its box and outlines."""

import subprocess
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageColor

from convscope.client import Attribution, Client, InvalidArgument, Segmentation
from convscope.client.tensors import from_array
from convscope.engine.imaging.cutout import INK, OUTSIDE_BRIGHTNESS, cutout
from convscope.v1.attribution_service_pb2 import (
    AttributeRequest,
    AttributeResponse,
    AttributeStreamRequest,
    AttributeStreamResponse,
    Overlay,
)
from convscope.v1.attribution_service_pb2_grpc import AttributionServiceStub
from convscope.v1.image_pb2 import Image as ImageMessage
from convscope.v1.image_pb2 import Region
from convscope.v1.method_pb2 import Method, SegmentParameters
from convscope.v1.segmentation_pb2 import Box, Outline
from convscope.v1.segmentation_pb2 import Segmentation as SegmentationMessage
from tests.clients.answers import assert_same_answer
from tests.clients.conftest import CLIENTS, Ask
from tests.clients.names import LITE
from tests.clients.sheets import assert_holds
from tests.clients.stand_in import StandIn, Stream, standing_in
from tests.processes import ServerProcess

CONVSCOPE = Path(sys.executable).with_name("convscope")
NOTE = "the map has no evidence"
# Chelsea's face on the photograph, 451 x 300.
FACE = (35, 20, 365, 285)


def answering(mask: NDArray[np.float32], segmentation: SegmentationMessage) -> Stream:
    """A stream whose one answer is that mask, of the middle square of a picture of 451 x 300."""

    def stream(
        requests: Iterator[AttributeStreamRequest], context: grpc.ServicerContext
    ) -> Iterator[AttributeStreamResponse]:
        for request in requests:
            response = AttributeResponse(
                attribution=from_array(mask),
                region=Region(left=75, top=0, right=375, bottom=300),
                input_height=mask.shape[1],
                input_width=mask.shape[2],
                target_name="tabby",
                segmentation=segmentation,
            )
            yield AttributeStreamResponse(id=request.id, response=response)

    return stream


@pytest.fixture
def found() -> Stream:
    """Two parts, one of them a triangle."""
    mask = np.zeros((1, 100, 100), dtype=np.float32)
    mask[0, 20:60, 30:80] = 1
    outlines = [Outline(x=[30, 79, 79, 30], y=[20, 20, 59, 59]), Outline(x=[1, 2, 3], y=[4, 5, 6])]
    box, heatmap_box = Box(left=30, top=20, right=80, bottom=60), Box(left=0, top=1, right=99, bottom=100)
    return answering(mask, SegmentationMessage(box=box, outlines=outlines, heatmap_box=heatmap_box))


@pytest.fixture
def nothing_found() -> Stream:
    return answering(np.zeros((1, 100, 100), dtype=np.float32), SegmentationMessage(note=NOTE))


@pytest.fixture(scope="module")
def segmented(server: ServerProcess, cat_path: Path) -> Attribution:
    with Client.connect(server.address) as client:
        return client.attribute(cat_path, model=LITE, method="segment")


@pytest.mark.parametrize("make", CLIENTS.values(), ids=CLIENTS)
def test_a_segmentation_is_what_the_server_says(make: Any, found: Stream, cat_path: Path) -> None:
    answer = segment(make, found, cat_path)
    assert answer.segmentation == Segmentation(
        box=(30, 20, 80, 60),
        outlines=(((30, 20), (79, 20), (79, 59), (30, 59)), ((1, 4), (2, 5), (3, 6))),
        heatmap_box=(0, 1, 99, 100),
        note="",
    )
    assert answer.box() == answer.segmentation.box, "the mask is the heatmap"


@pytest.mark.parametrize("make", CLIENTS.values(), ids=CLIENTS)
def test_an_empty_mask_has_no_box_and_a_note_that_says_why(make: Any, nothing_found: Stream, cat_path: Path) -> None:
    answer = segment(make, nothing_found, cat_path)
    assert answer.segmentation == Segmentation(box=None, outlines=(), heatmap_box=None, note=NOTE)
    assert answer.box() is None


def test_the_overlay_is_what_the_mask_keeps_with_its_outline(found: Stream, cat: Image.Image, cat_path: Path) -> None:
    drawn = np.asarray(segment(CLIENTS["Client"], found, cat_path).overlay())
    original = np.asarray(cat)
    # The region is three times the mask; its corners are rounded by a pixel.
    left, top, right, bottom = 75 + 3 * 30, 3 * 20, 75 + 3 * 80, 3 * 60
    inner = np.s_[top + 1 : bottom - 1, left + 1 : right - 1]
    np.testing.assert_array_equal(drawn[inner], original[inner])
    outline = (drawn == ImageColor.getrgb(INK)).all(axis=2)
    assert outline[[top - 2, top - 1, bottom, bottom + 1], left + 3 : right - 3].all()
    assert outline[top + 3 : bottom - 3, [left - 2, left - 1, right, right + 1]].all()
    outside = np.ones(outline.shape, dtype=bool)
    outside[top - 2 : bottom + 2, left - 2 : right + 2] = False
    np.testing.assert_array_equal(drawn[outside], (original * OUTSIDE_BRIGHTNESS).astype(np.uint8)[outside])


def test_a_segmentation_is_saved_and_shown_as_its_cutout(found: Stream, cat_path: Path, tmp_path: Path) -> None:
    answer = segment(CLIENTS["Client"], found, cat_path)
    answer.save(tmp_path / "cat.png")
    shown = answer._repr_png_()
    assert shown is not None
    for file in (tmp_path / "cat.png", BytesIO(shown)):
        with Image.open(file) as picture:
            assert picture.tobytes() == answer.overlay().tobytes()


@pytest.mark.parametrize("how", [{"opacity": 2}, {"colormap": "jet"}], ids=str)
def test_options_of_the_overlay_are_checked_all_the_same(found: Stream, cat_path: Path, how: dict[str, Any]) -> None:
    answer = segment(CLIENTS["Client"], found, cat_path)
    with pytest.raises(InvalidArgument):
        answer.overlay(**how)


def test_the_command_line_prints_the_note(nothing_found: Stream, cat_path: Path, tmp_path: Path) -> None:
    with standing_in(StandIn(stream=nothing_found)) as server:
        command: list[str | Path] = [
            CONVSCOPE,
            "attribute",
            cat_path,
            "--method",
            "segment",
            "-o",
            "cat.png",
            "--server",
            server.address,
        ]
        result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout == f"tabby: segment -> cat.png\n{NOTE}\n"


def test_the_mask_is_of_the_models_input_and_the_box_around_it(segmented: Attribution) -> None:
    assert segmented.values.shape == (1, 224, 224)
    assert set(np.unique(segmented.values)) == {0, 1}
    rows, columns = np.nonzero(segmented.values[0])
    assert segmented.segmentation is not None
    assert segmented.segmentation.box == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert segmented.segmentation.note == ""
    np.testing.assert_array_equal(segmented.heatmap, segmented.values[0])


def test_the_outlines_lie_on_the_mask_the_largest_first(segmented: Attribution) -> None:
    assert segmented.segmentation is not None
    outlines = segmented.segmentation.outlines
    assert outlines
    areas = [area(outline) for outline in outlines]
    assert areas == sorted(areas, reverse=True)
    for x, y in outlines[0]:
        assert segmented.values[0, max(0, y - 1) : y + 1, max(0, x - 1) : x + 1].any(), "a corner of the mask"


def test_the_thing_is_the_cats_face(segmented: Attribution) -> None:
    left, top, right, bottom = segmented.region
    rows, columns = np.nonzero(segmented.values[0])
    x = left + (columns + 0.5) / 224 * (right - left)
    y = top + (rows + 0.5) / 224 * (bottom - top)
    within = (x >= FACE[0]) & (x <= FACE[2]) & (y >= FACE[1]) & (y <= FACE[3])
    assert within.mean() > 0.8


def test_the_server_draws_the_same_cutout(
    segmented: Attribution, server: ServerProcess, cat: Image.Image, cat_path: Path
) -> None:
    expected = cutout(cat, segmented.values[0], segmented.region)
    assert segmented.overlay().tobytes() == expected.tobytes()
    request = AttributeRequest(
        model=f"models/{LITE}",
        image=ImageMessage(encoded=cat_path.read_bytes()),
        method=Method(segment=SegmentParameters()),
        overlay=Overlay(),
    )
    with grpc.insecure_channel(server.address) as channel:
        response = AttributionServiceStub(channel).Attribute(request, timeout=30)
    with Image.open(BytesIO(response.overlay)) as drawn:
        assert drawn.convert("RGB").tobytes() == expected.tobytes()


def test_the_map_may_be_that_of_another_method(ask: Ask, segmented: Attribution, cat_path: Path) -> None:
    other = ask(cat_path, method="segment", map="grad_cam", layer="blocks.10", iterations=2)
    assert other.layer == "blocks.10"
    assert other.values.any()
    assert (other.values != segmented.values).any()


@pytest.mark.parametrize(
    ("parameter", "value"), [("foreground", 1.5), ("background", 0.99), ("iterations", 0), ("map", "rise")]
)
def test_a_parameter_out_of_range_is_named(ask: Ask, cat_path: Path, parameter: str, value: Any) -> None:
    with pytest.raises(InvalidArgument) as caught:
        ask(cat_path, method="segment", **{parameter: value})
    assert caught.value.field == f"method.segment.{parameter}"


def test_a_comparison_shows_the_cutout_among_the_others(
    client: Client, segmented: Attribution, cat: Image.Image, cat_path: Path
) -> None:
    answers = client.compare(cat_path, ["grad_cam", "segment"], model=LITE)
    assert_same_answer(answers[1], segmented)
    assert answers[1].segmentation == segmented.segmentation
    assert_holds(answers.contact_sheet(), [cat, answers[0].overlay(), segmented.overlay()])


def segment(make: Any, stream: Stream, picture: Path) -> Attribution:
    """What one of the clients makes of what that stream says."""
    with standing_in(StandIn(stream=stream)) as server:
        answer: Attribution = make(server.address).attribute(
            picture, model="any", method="segment", on_progress=lambda done, total: None
        )
    return answer


def area(outline: tuple[tuple[int, int], ...]) -> float:
    """Of a polygon, by the shoelace formula."""
    x, y = np.array(outline, dtype=float).T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2
