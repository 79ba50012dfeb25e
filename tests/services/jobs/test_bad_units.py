"""Units that no layer has are refused, each naming what of it is wrong; what the card does not tell is left."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from google.protobuf.message import Message
from torch import Tensor, nn

from convscope.engine.models.layers import map_layers
from convscope.engine.synthesis.paper_layers import PAPER_LAYERS
from convscope.services.common.jobs.kinds import VISUALIZE_CHANNEL
from convscope.services.jobs.layers import channels_of, grid_of
from convscope.v1.model_service_pb2 import Layer, ModelCard, Preprocessing
from convscope.v1.synthesis_service_pb2 import VisualizeChannelRequest
from convscope.v1.target_pb2 import Unit
from tests.services.calls import refusal
from tests.services.jobs.server import MODEL, Jobs, picturing
from tests.services.jobs.test_bad_input import INVALID, LONG, WIDE, assert_refused, case_id, out_of_range
from tests.services.test_bad_input import Case, has_field

CARD = ModelCard(
    class_count=4,
    preprocessing=Preprocessing(height=60, width=40, resize=64),
    layers=[
        Layer(name="stem", output_shape=[8, 30, 20]),
        Layer(name="swin", output_shape=[15, 10, 96]),
        Layer(name="tokens", output_shape=[151, 64]),
        Layer(name="head", output_shape=[4]),
        Layer(name="conv5", output_shape=[16, 15, 10]),
    ],
)


def unit(layer: str = "stem", channel: int = 0, **place: int) -> VisualizeChannelRequest:
    """A good request for two units, but for what the second is given."""
    return picturing(units=[Unit(layer="stem"), Unit(layer=layer, channel=channel, **place)])


CASES = [
    Case("no units", VisualizeChannelRequest(model=MODEL), out_of_range("units"), "1 to 64"),
    Case("65 units", picturing(units=65 * [Unit(layer="stem")]), out_of_range("units"), "65"),
    Case("no model", picturing(model=""), (INVALID, "MODEL_MISSING", "model")),
    Case("no layer", unit(""), (INVALID, "LAYER_MISSING", "units[1].layer")),
    Case("a long layer", unit(LONG), (INVALID, "UNKNOWN_LAYER", "units[1].layer")),
    *(Case(f"channel {one}", unit(channel=one), out_of_range("units[1].channel")) for one in (-1, -(2**31))),
    Case("a row alone", unit(row=0), (INVALID, "INVALID_PARAMETER", "units[1].row"), "go together"),
    Case("a column alone", unit(column=3), (INVALID, "INVALID_PARAMETER", "units[1].row"), "go together"),
    Case("row -1", unit(row=-1, column=0), out_of_range("units[1].row")),
    Case("column -1", unit(row=0, column=-1), out_of_range("units[1].column")),
]
WITH_CARD = [
    Case("an unknown layer", unit("sten"), (INVALID, "UNKNOWN_LAYER", "units[1].layer"), "nearest: stem"),
    Case("a wide layer", unit(WIDE), (INVALID, "UNKNOWN_LAYER", "units[1].layer")),
    *(
        Case(f"channel {one} of {layer}", unit(layer, one), out_of_range("units[1].channel"), says)
        for layer, one, says in [
            ("stem", 8, "0 to 7"),
            ("stem", 2**31 - 1, "0 to 7"),
            ("swin", 96, "0 to 95"),
            ("tokens", 64, "0 to 63"),
            ("head", 4, "0 to 3"),
            ("conv5", 16, "0 to 15"),
        ]
    ),
    Case("a row too far down", unit(row=30, column=0), out_of_range("units[1].row"), "0 to 29"),
    Case("a column too far right", unit(row=29, column=20), out_of_range("units[1].column"), "0 to 19"),
    Case("a row of channels last", unit("swin", 95, row=15, column=0), out_of_range("units[1].row"), "0 to 14"),
    Case("a column of channels last", unit("swin", 95, row=0, column=10), out_of_range("units[1].column"), "0 to 9"),
    Case("a place in a vector", unit("head", row=0, column=0), (INVALID, "LAYER_NOT_SPATIAL", "units[1].row")),
]


@pytest.mark.usefixtures("nothing_queued")
@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_it_is_refused(case: Case, send: Callable[[Message], object]) -> None:
    assert_refused(refusal(lambda: send(case.request)), case.expected, case.says)
    assert has_field(case.request, case.expected[2])


@pytest.mark.parametrize("case", CASES + WITH_CARD, ids=case_id)
def test_what_the_models_card_does_not_have_is_refused(
    case: Case, jobs: Jobs, send: Callable[[Message], object]
) -> None:
    jobs.publish(CARD)
    assert_refused(refusal(lambda: send(case.request)), case.expected, case.says)
    assert jobs.names() == []


GOOD: list[tuple[str, int, dict[str, int]]] = [
    ("stem", 7, {}),
    ("stem", 7, {"row": 29, "column": 19}),
    ("swin", 95, {"row": 14, "column": 9}),
    ("tokens", 63, {"row": 1000, "column": 0}),
    ("head", 3, {}),
    ("conv5", 15, {"row": 14, "column": 9}),
    ("inception4c", 100_000, {"row": 100_000, "column": 7}),
]


@pytest.mark.parametrize("known", [False, True], ids=["without a card", "with a card"])
@pytest.mark.parametrize("good", GOOD, ids=[f"{one[0]}-{len(one[2])}" for one in GOOD])
def test_what_it_has_and_what_only_the_worker_knows_is_queued(
    good: tuple[str, int, dict[str, int]], known: bool, jobs: Jobs, send: Callable[[Message], object]
) -> None:
    layer, channel, place = good
    if known:
        jobs.publish(CARD)
    assert send(unit(layer, channel, **place))
    first, second = jobs.claim(VISUALIZE_CHANNEL).spec["units"]
    assert first == {"layer": "stem", "channel": 0}
    assert second == {"layer": layer, "channel": channel, **place}


def test_every_name_of_the_papers_is_taken(jobs: Jobs, send: Callable[[Message], object]) -> None:
    jobs.publish(CARD)
    names = list(PAPER_LAYERS)
    for start in range(0, len(names), 64):
        assert send(picturing(units=[Unit(layer=name) for name in names[start : start + 64]]))


class ChannelsLast(nn.Module):
    """As Swin has it."""

    def forward(self, images: Tensor) -> Tensor:
        return images.permute(0, 2, 3, 1)


class Tokens(nn.Module):
    """As ViT has it, with a token for the class."""

    def forward(self, images: Tensor) -> Tensor:
        return torch.cat([images.flatten(1, 2)[:, :1], images.flatten(1, 2)], dim=1)


@pytest.mark.parametrize("size", [(32, 32), (48, 20), (20, 48)], ids=str)
@pytest.mark.parametrize("channels", [3, 5, 16, 32])
def test_the_card_is_read_as_the_engine_reads_the_network(channels: int, size: tuple[int, int]) -> None:
    network = nn.Sequential(
        nn.Conv2d(3, channels, 3, stride=2, padding=1),
        nn.Conv2d(channels, channels, 3, stride=2, padding=1),
        ChannelsLast(),
        Tokens(),
        nn.Flatten(),
        nn.LazyLinear(4),
    )
    images = torch.zeros(1, 3, *size)
    network(images)
    preprocessing = Preprocessing(height=size[0], width=size[1])
    layers = map_layers(network, images).layers
    assert len(layers) == 6
    for layer in layers:
        card: Any = Layer(name=layer.name, output_shape=layer.output_shape)
        assert channels_of(card, preprocessing) == layer.channels, layer
        if len(layer.output_shape) == 3:
            assert grid_of(card, preprocessing) == layer.grid
