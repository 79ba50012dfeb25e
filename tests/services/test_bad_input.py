"""Bad input is refused with its status, reason and field, and the server goes on."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import grpc
import numpy as np
import pytest
from google.protobuf.message import Message
from PIL import Image as PillowImage

from convscope.client.tensors import from_array
from convscope.v1.attribution_service_pb2 import (
    AnalyzeFailureRequest,
    AttributeRequest,
    AttributeStreamRequest,
    ClassifyRequest,
    CompareRequest,
    Overlay,
    Variant,
)
from convscope.v1.image_pb2 import Image
from convscope.v1.method_pb2 import Method
from convscope.v1.model_service_pb2 import GetModelRequest, ListModelsRequest, LoadModelRequest, UnloadModelRequest
from convscope.v1.target_pb2 import ClassReference, ClassSum, Target, Unit
from convscope.v1.tensor_pb2 import DataType, Tensor
from tests.processes import ServerProcess
from tests.services.calls import SECONDS, Refusal, Stubs, refusal
from tests.services.held import TeamServer, question
from tests.services.pictures import noise, png_that_claims, to_file

LITE0 = "models/efficientnet_lite0"
PNG = to_file(noise(64, 48))
JPEG = to_file(noise(640, 480), "JPEG")
WEBP = to_file(noise(640, 480), "WEBP")
UINT8, FLOAT16, FLOAT32 = DataType.DATA_TYPE_UINT8, DataType.DATA_TYPE_FLOAT16, DataType.DATA_TYPE_FLOAT32
UNKNOWN_ENUM: Any = 77
LONG = "x" * 100_000

INVALID = "INVALID_ARGUMENT"
UNDECODABLE = (INVALID, "IMAGE_UNDECODABLE", "image.encoded")
TOO_LARGE = (INVALID, "IMAGE_TOO_LARGE", "image.encoded")
NOT_FINITE = (INVALID, "VALUE_NOT_FINITE", "image.preprocessed")
UNKNOWN_CLASS = (INVALID, "UNKNOWN_CLASS", "target")
UNKNOWN_LAYER = (INVALID, "UNKNOWN_LAYER", "method.grad_cam.layer")
NOT_SPATIAL = (INVALID, "LAYER_NOT_SPATIAL", "method.grad_cam.layer")


@dataclass(frozen=True)
class Case:
    """A bad request, and what it gets."""

    name: str
    request: Message
    expected: tuple[str, str, str]
    """Status, reason, field."""
    says: str = ""
    """Part of the message."""


def asking(image: Image | None = None, *, model: str = LITE0, **fields: Any) -> AttributeRequest:
    """A good request for Grad-CAM, but for what is given."""
    return AttributeRequest(model=model, image=image or Image(encoded=PNG), **{"method": Method(grad_cam={})} | fields)


def encoded(data: bytes) -> AttributeRequest:
    return asking(Image(encoded=data))


def preprocessed(shape: list[int], data_type: DataType = FLOAT32, data: bytes | None = None) -> AttributeRequest:
    """Zeros of 224 x 224, but for what is given."""
    return asking(Image(preprocessed=Tensor(shape=shape, data_type=data_type, data=zeros(4) if data is None else data)))


def pixels(shape: list[int], data_type: DataType = UINT8, data: bytes = bytes(300)) -> AttributeRequest:
    """Ten by ten, but for what is given."""
    return asking(Image(pixels=Tensor(shape=shape, data_type=data_type, data=data)))


def zeros(size: int) -> bytes:
    return bytes(3 * 224 * 224 * size)


def with_value(value: float, dtype: type[np.floating[Any]] = np.float32) -> AttributeRequest:
    """A preprocessed picture with one such value."""
    array = np.zeros((3, 224, 224), dtype)
    array[1, 100, 7] = value
    return asking(Image(preprocessed=from_array(array)))


def without_method() -> AttributeRequest:
    return AttributeRequest(model=LITE0, image=Image(encoded=PNG))


def with_a_method_of_the_future() -> AttributeRequest:
    """Field 99 of the method, an empty message, as a client with a newer contract would send it."""
    return asking(method=Method.FromString(b"\x9a\x06\x00"))


def grad_cam(layer: str) -> AttributeRequest:
    return asking(method=Method(grad_cam={"layer": layer}))


def target(**kind: Any) -> AttributeRequest:
    return asking(target=Target(**kind))


def parameters(name: str, **values: Any) -> AttributeRequest:
    return asking(method=Method(**{name: values}))


def unit(layer: str = "head", channel: int = 0, **place: int) -> AttributeRequest:
    return asking(target=Target(unit=Unit(layer=layer, channel=channel, **place)))


def comparing(*variants: Variant, image: Image | None = None, **fields: Any) -> CompareRequest:
    """A good Grad-CAM, then `variants`."""
    good = Variant(method=Method(grad_cam={}))
    return CompareRequest(model=LITE0, image=image or Image(encoded=PNG), variants=[good, *variants], **fields)


def failing(**fields: Any) -> AnalyzeFailureRequest:
    """A good request, but for what is given."""
    good = {"model": LITE0, "image": Image(encoded=PNG), "truth": ClassReference(index=281)}
    return AnalyzeFailureRequest(**{**good, **fields})


def overlay(image: Image | None = None, **options: Any) -> AttributeRequest:
    return asking(image, overlay=Overlay(**options))


PICTURES = [
    Case("no image", AttributeRequest(model=LITE0, method=Method(grad_cam={})), (INVALID, "IMAGE_MISSING", "image")),
    Case("an image without content", asking(Image()), (INVALID, "IMAGE_MISSING", "image")),
    Case("zero bytes", encoded(b""), UNDECODABLE),
    Case("random bytes", encoded(np.random.default_rng(1).bytes(1024)), UNDECODABLE),
    Case("a text", encoded(b"<html>not found</html>"), UNDECODABLE),
    Case("a GIF", encoded(to_file(noise(64, 48), "GIF")), UNDECODABLE, "JPEG, PNG or WebP"),
    Case("a truncated JPEG", encoded(JPEG[: len(JPEG) // 2]), UNDECODABLE),
    Case("a truncated PNG", encoded(PNG[: len(PNG) // 2]), UNDECODABLE),
    Case("a truncated WebP", encoded(WEBP[: len(WEBP) // 2]), UNDECODABLE),
    Case("only a JPEG's first bytes", encoded(JPEG[:20]), UNDECODABLE),
    Case("50000 x 50000 pixels in a few KB", encoded(png_that_claims(50_000, 50_000)), TOO_LARGE),
    Case("9000 x 9000 pixels in a few KB", encoded(png_that_claims(9_000, 9_000)), TOO_LARGE, "9000 x 9000"),
    Case("one row too wide", encoded(png_that_claims(2**31 - 1, 1)), TOO_LARGE),
    Case("no rows", encoded(png_that_claims(10, 0)), UNDECODABLE),
]
TENSORS = [
    Case("NaN", with_value(np.nan), NOT_FINITE),
    Case("infinity", with_value(np.inf), NOT_FINITE),
    Case("minus infinity", with_value(-np.inf), NOT_FINITE),
    Case("NaN in float16", with_value(np.nan, np.float16), NOT_FINITE),
    *(
        Case(
            f"preprocessed of shape {shape}",
            preprocessed(shape),
            (INVALID, "TENSOR_INVALID", "image.preprocessed.shape"),
            "[3, 224, 224]",
        )
        for shape in (
            [],
            [224, 224],
            [224, 224, 3],
            [1, 3, 224, 224],
            [3, 225, 225],
            [-3, -224, 224],
            [2**62, 2**62, 3],
            [3, 2**62, 2**62],
            [0] * 10_000,
        )
    ),
    *(
        Case(
            f"preprocessed of type {data_type}",
            preprocessed([3, 224, 224], data_type, zeros(1)),
            (INVALID, "TENSOR_INVALID", "image.preprocessed.data_type"),
        )
        for data_type in (UINT8, DataType.DATA_TYPE_UNSPECIFIED, UNKNOWN_ENUM)
    ),
    *(
        Case(
            f"preprocessed of {len(data)} bytes",
            preprocessed([3, 224, 224], FLOAT32, data),
            (INVALID, "TENSOR_INVALID", "image.preprocessed.data"),
            str(len(zeros(4))),
        )
        for data in (b"", zeros(2), zeros(4)[1:], zeros(4) + b"\0")
    ),
    *(
        Case(f"pixels of shape {shape}", pixels(shape), (INVALID, "TENSOR_INVALID", "image.pixels.shape"))
        for shape in (
            [],
            [300],
            [10, 10],
            [10, 10, 4],
            [3, 10, 10],
            [1, 10, 10, 3],
            [0, 10, 3],
            [10, 0, 3],
            [-10, -10, 3],
            [-10, 10, 3],
            [-(2**62), 2**62, 3],
        )
    ),
    *(
        Case(f"pixels of shape {shape}", pixels(shape), (INVALID, "IMAGE_TOO_LARGE", "image.pixels"))
        for shape in ([2**62, 2**62, 3], [2**63 - 1, 1, 3], [2**32, 2**32, 3], [8000, 8000, 3])
    ),
    *(
        Case(
            f"pixels of type {data_type}",
            pixels([10, 10, 3], data_type, bytes(1200)),
            (INVALID, "TENSOR_INVALID", "image.pixels.data_type"),
        )
        for data_type in (FLOAT32, FLOAT16, DataType.DATA_TYPE_UNSPECIFIED, UNKNOWN_ENUM)
    ),
    *(
        Case(
            f"pixels of {size} bytes",
            pixels([10, 10, 3], data=bytes(size)),
            (INVALID, "TENSOR_INVALID", "image.pixels.data"),
            "300",
        )
        for size in (0, 299, 301)
    ),
]
NAMES = [
    Case("no model", asking(model=""), (INVALID, "MODEL_MISSING", "model")),
    Case("only the collection of models", asking(model="models/"), (INVALID, "MODEL_MISSING", "model")),
    Case(
        "an unknown model",
        asking(model="models/efficientnet_lite9"),
        ("NOT_FOUND", "UNKNOWN_MODEL", "model"),
        "efficientnet_lite0",
    ),
    Case("a long model", asking(model=f"models/{LONG}"), ("NOT_FOUND", "UNKNOWN_MODEL", "model")),
    Case(
        "a model that is not loaded",
        asking(model="models/resnet50"),
        ("FAILED_PRECONDITION", "MODEL_NOT_LOADED", "model"),
        "LoadModel",
    ),
    Case("no method", without_method(), (INVALID, "UNKNOWN_METHOD", "method"), "saliency, input_x_gradient"),
    Case("a method of the future", with_a_method_of_the_future(), (INVALID, "UNKNOWN_METHOD", "method"), "grad_cam"),
    Case("an unknown layer", grad_cam("blocks.99"), UNKNOWN_LAYER, "blocks.9"),
    Case("an empty layer", grad_cam(""), UNKNOWN_LAYER),
    Case("a long layer", grad_cam(LONG), UNKNOWN_LAYER),
    Case("a layer in a long other script", grad_cam("猫\n" * 50_000), UNKNOWN_LAYER),
    Case("the classifier", grad_cam("classifier"), NOT_SPATIAL, "[1000]"),
    Case("a layer of one place", grad_cam("pool"), NOT_SPATIAL, "[1280, 1, 1]"),
    Case("an unknown class", target(class_label="tabbi"), UNKNOWN_CLASS, "tabby"),
    Case("an empty class", target(class_label=""), UNKNOWN_CLASS),
    Case("a long class", target(class_label=LONG), UNKNOWN_CLASS),
    Case("a class in a long other script", target(class_label="😀" * 25_000), UNKNOWN_CLASS),
    *(
        Case(f"class {index}", target(class_index=index), UNKNOWN_CLASS, "0 to 999")
        for index in (-1, -(2**31), 1000, 2**31 - 1)
    ),
    Case(
        "an unknown colour map",
        overlay(colormap="viridiss"),
        (INVALID, "UNKNOWN_COLORMAP", "overlay.colormap"),
        "viridis",
    ),
    Case("a long colour map", overlay(colormap=LONG), (INVALID, "UNKNOWN_COLORMAP", "overlay.colormap")),
]
RANGES = [
    *(
        Case(f"top_k {top_k}", asking(top_k=top_k), (INVALID, "OUT_OF_RANGE", "top_k"), "0 to 1000")
        for top_k in (-1, 1001, 2**31 - 1, -(2**31))
    ),
    *(
        Case(f"data_type {data_type}", asking(data_type=data_type), (INVALID, "OUT_OF_RANGE", "data_type"))
        for data_type in (UINT8, UNKNOWN_ENUM)
    ),
    *(
        Case(
            f"an opacity of {opacity}", overlay(opacity=opacity), (INVALID, "OUT_OF_RANGE", "overlay.opacity"), "0 to 1"
        )
        for opacity in (2, -0.01, np.nan, np.inf)
    ),
    Case(
        "an overlay as a JPEG that would be too long for one",
        overlay(Image(encoded=to_file(PillowImage.new("1", (70_000, 2)))), format=Overlay.FORMAT_JPEG),
        (INVALID, "PICTURE_TOO_LONG", "overlay.format"),
        "PNG",
    ),
    Case("an unknown overlay format", overlay(format=UNKNOWN_ENUM), (INVALID, "OUT_OF_RANGE", "overlay.format"), "PNG"),
    Case(
        "an overlay of a preprocessed picture",
        overlay(Image(preprocessed=from_array(np.zeros((3, 224, 224), np.float32)))),
        (INVALID, "NO_PICTURE", "overlay"),
    ),
]
CLASSIFY = [
    Case("no image", ClassifyRequest(model=LITE0), (INVALID, "IMAGE_MISSING", "image")),
    Case("zero bytes", ClassifyRequest(model=LITE0, image=Image(encoded=b"")), UNDECODABLE),
    Case("NaN", ClassifyRequest(model=LITE0, image=with_value(np.nan).image), NOT_FINITE),
    Case("no model", ClassifyRequest(image=Image(encoded=PNG)), (INVALID, "MODEL_MISSING", "model")),
    Case(
        "an unknown model",
        ClassifyRequest(model="models/resnet19", image=Image(encoded=PNG)),
        ("NOT_FOUND", "UNKNOWN_MODEL", "model"),
        "resnet18",
    ),
    Case(
        "a model that is not loaded",
        ClassifyRequest(model="models/resnet50", image=Image(encoded=PNG)),
        ("FAILED_PRECONDITION", "MODEL_NOT_LOADED", "model"),
    ),
    *(
        Case(
            f"top_k {top_k}",
            ClassifyRequest(model=LITE0, image=Image(encoded=PNG), top_k=top_k),
            (INVALID, "OUT_OF_RANGE", "top_k"),
            "1 to 1000",
        )
        for top_k in (0, -1, 1001)
    ),
]
MODELS = [
    *(
        Case(f"{kind.__name__} without a name", kind(), (INVALID, "MODEL_MISSING", "name"))
        for kind in (GetModelRequest, LoadModelRequest, UnloadModelRequest)
    ),
    *(
        Case(
            f"{kind.__name__} of an unknown model",
            kind(name="models/resnet1"),
            ("NOT_FOUND", "UNKNOWN_MODEL", "name"),
            "resnet18",
        )
        for kind in (GetModelRequest, LoadModelRequest, UnloadModelRequest)
    ),
    *(
        Case(
            f"page_size {size}",
            ListModelsRequest(page_size=size),
            (INVALID, "OUT_OF_RANGE", "page_size"),
            "1 to 1000",
        )
        for size in (-1, 1001, 2**31 - 1)
    ),
    *(
        Case(
            f"page_token {token[:20]!r}",
            ListModelsRequest(page_token=token),
            (INVALID, "PAGE_TOKEN_INVALID", "page_token"),
        )
        for token in ("!!!", "resnet18", "=", "____", "Katze 猫", "!" * 100_000)
    ),
]
NAN, INFINITE = float("nan"), float("inf")
FILLED = ("integrated_gradients", "deep_lift", "occlusion")
NOISY = ("smooth_grad", "var_grad")
LAYERED = (
    "grad_cam", "guided_grad_cam", "grad_cam_plus_plus", "layer_cam", "x_grad_cam", "eigen_cam", "score_cam",
    "ablation_cam",
)  # fmt: skip


def bad_parameters(name: str, parameter: str, *values: Any, says: str = "", **others: Any) -> list[Case]:
    expected = (INVALID, "INVALID_PARAMETER", f"method.{name}.{parameter}")
    return [
        Case(f"{name} {parameter} {value!r:.20}", parameters(name, **{parameter: value}, **others), expected, says)
        for value in values
    ]


PARAMETERS = [
    *(
        case
        for name in FILLED
        for case in (
            *bad_parameters(name, "fill", "gray", "", LONG, "猫" * 50_000),
            *bad_parameters(
                name,
                "fill_color",
                [0.5, 0.5],
                [0.5] * 4,
                [0.5] * 10_000,
                [0.5, 0.5, 1.5],
                [-0.1, 0, 0],
                [0, NAN, 0],
                [0, 0, INFINITE],
                says="three numbers",
            ),
        )
    ),
    *bad_parameters("integrated_gradients", "steps", 0, -1, 10_001, 2**31 - 1),
    *(
        case
        for name in NOISY
        for case in (
            *bad_parameters(name, "samples", 0, -(2**31), 10_001),
            *bad_parameters(name, "stdev", 0, -0.1, 10.5, NAN, INFINITE),
            *bad_parameters(name, "seed", -1),
            *bad_parameters(name, "base_method", "rise", "eigen_cam", "", says="no gradient method"),
            *bad_parameters(name, "base_method", LONG, says="known: gradient"),
            *bad_parameters(name, "layer", "head", says="looks at no layer"),
            *bad_parameters(name, "layer", "head", says="looks at no layer", base_method="gradient"),
        )
    ),
    Case(
        "smooth_grad of an unknown layer",
        parameters("smooth_grad", base_method="grad_cam", layer="blocks.99"),
        (INVALID, "UNKNOWN_LAYER", "method.smooth_grad.layer"),
        "blocks.9",
    ),
    *bad_parameters("occlusion", "window", 0, -1, 4097),
    *bad_parameters("occlusion", "window", 225, says="at most 224"),
    *bad_parameters("occlusion", "stride", 0, -16, 4097),
    *bad_parameters("occlusion", "stride", 33, says="larger than window 32"),
    *bad_parameters("occlusion", "stride", 9, window=8, says="larger than window 8"),
    *bad_parameters("rise", "masks", 0, -1, 100_001),
    *bad_parameters("rise", "cells", 1, 65),
    *bad_parameters("rise", "probability", 0, 1, -0.5, 1.5, NAN, INFINITE),
    *bad_parameters("rise", "seed", -1),
    *bad_parameters("score_cam", "masks", 0, -5, 100_001),
    *bad_parameters("segment", "map", "rise", "", LONG),
    *bad_parameters("segment", "foreground", -0.1, 1.5, NAN),
    *bad_parameters("segment", "background", -0.1, NAN),
    *bad_parameters("segment", "background", 0.75, 0.5, foreground=0.5),
    *bad_parameters("segment", "iterations", 0, 51),
    *(
        Case(f"{name} of {why}", parameters(name, layer=layer), (INVALID, reason, f"method.{name}.layer"))
        for name in LAYERED
        for why, layer, reason in (
            ("an unknown layer", "blocks.99", "UNKNOWN_LAYER"),
            ("an empty layer", "", "UNKNOWN_LAYER"),
            ("the classifier", "classifier", "LAYER_NOT_SPATIAL"),
        )
    ),
    Case(
        "attention_rollout of a network without attention",
        parameters("attention_rollout"),
        ("FAILED_PRECONDITION", "METHOD_UNSUPPORTED", "method.attention_rollout"),
        "attention",
    ),
    Case(
        "grad_cam of a unit that comes before its layer",
        asking(target=Target(unit=Unit(layer="blocks.10", channel=3))),
        ("FAILED_PRECONDITION", "METHOD_UNSUPPORTED", "method.grad_cam.layer"),
        "not depend on the layer 'head'",
    ),
    Case(
        "deep_lift of a probability",
        asking(method=Method(deep_lift={}), target=Target(output=Target.OUTPUT_PROBABILITY)),
        (INVALID, "INVALID_INPUT", "target"),
        "score",
    ),
    *(
        Case(f"precision {precision}", asking(precision=precision), (INVALID, "OUT_OF_RANGE", "precision"), "bfloat16")
        for precision in (UNKNOWN_ENUM, -1)
    ),
]
TARGETS = [
    *(
        Case(f"output {output}", target(output=output, **kind), (INVALID, "OUT_OF_RANGE", "target.output"))
        for output in (UNKNOWN_ENUM, -1)
        for kind in ({}, {"class_index": 3}, {"classes": ClassSum(plus=[ClassReference(index=1)])})
    ),
    Case("no classes", target(classes=ClassSum()), (INVALID, "UNKNOWN_CLASS", "target.classes.plus"), "at least one"),
    Case(
        "only classes to take off",
        target(classes=ClassSum(minus=[ClassReference(index=1)])),
        (INVALID, "UNKNOWN_CLASS", "target.classes.plus"),
        "at least one",
    ),
    Case(
        "101 classes",
        target(classes=ClassSum(plus=[ClassReference(index=1)] * 101)),
        (INVALID, "OUT_OF_RANGE", "target.classes.plus"),
        "at most 100",
    ),
    Case(
        "101 classes to take off",
        target(classes=ClassSum(plus=[ClassReference(index=1)], minus=[ClassReference(index=2)] * 101)),
        (INVALID, "OUT_OF_RANGE", "target.classes.minus"),
        "at most 100",
    ),
    *(
        Case(
            f"{side} with {why} as its second class",
            target(classes=ClassSum(**{"plus": [ClassReference(index=1)], side: [ClassReference(label="tabby"), bad]})),
            (INVALID, "UNKNOWN_CLASS", f"target.classes.{side}[1]"),
        )
        for side in ("plus", "minus")
        for why, bad in (
            ("nothing", ClassReference()),
            ("class 1000", ClassReference(index=1000)),
            ("class -1", ClassReference(index=-1)),
            ("an unknown label", ClassReference(label="tabbi")),
            ("an empty label", ClassReference(label="")),
            ("a long label", ClassReference(label="猫" * 50_000)),
        )
    ),
    *(
        Case(f"a unit of the layer {layer!r:.20}", unit(layer), (INVALID, "UNKNOWN_LAYER", "target.unit.layer"))
        for layer in ("", "heat", LONG)
    ),
    *(
        Case(f"channel {channel}", unit(channel=channel), (INVALID, "OUT_OF_RANGE", "target.unit.channel"), "0 to 1279")
        for channel in (-1, 1280, 2**31 - 1)
    ),
    Case("a row alone", unit(row=3), (INVALID, "INVALID_PARAMETER", "target.unit.row"), "go together"),
    Case("a column alone", unit(column=3), (INVALID, "INVALID_PARAMETER", "target.unit.row"), "go together"),
    *(
        Case(f"place {row}, {column}", unit(row=row, column=column), (INVALID, "OUT_OF_RANGE", "target.unit.row"), "7")
        for row, column in ((7, 0), (0, 7), (-1, 0), (0, -1), (2**31 - 1, 2**31 - 1))
    ),
    Case(
        "a place where there is no grid",
        unit("classifier", row=0, column=0),
        (INVALID, "LAYER_NOT_SPATIAL", "target.unit.row"),
        "no grid",
    ),
]
COMPARE = [
    Case("no variants", CompareRequest(model=LITE0, image=Image(encoded=PNG)), (INVALID, "OUT_OF_RANGE", "variants")),
    Case(
        "33 variants",
        comparing(*[Variant(method=Method(grad_cam={}))] * 32),
        (INVALID, "OUT_OF_RANGE", "variants"),
        "1 to 32",
    ),
    Case("a variant without a method", comparing(Variant()), (INVALID, "UNKNOWN_METHOD", "variants[1].method"), "rise"),
    *(
        Case(f"a bad variant in the middle, {field}", comparing(bad, Variant(method=Method(saliency={}))), expected)
        for field, bad, expected in (
            (
                "masks",
                Variant(method=Method(rise={"masks": 0})),
                (INVALID, "INVALID_PARAMETER", "variants[1].method.rise.masks"),
            ),
            (
                "layer",
                Variant(method=Method(layer_cam={"layer": "heat"})),
                (INVALID, "UNKNOWN_LAYER", "variants[1].method.layer_cam.layer"),
            ),
            (
                "class",
                Variant(method=Method(grad_cam={}), target=Target(class_index=1000)),
                (INVALID, "UNKNOWN_CLASS", "variants[1].target"),
            ),
            (
                "channel",
                Variant(method=Method(grad_cam={}), target=Target(unit=Unit(layer="head", channel=1280))),
                (INVALID, "OUT_OF_RANGE", "variants[1].target.unit.channel"),
            ),
            (
                "window",
                Variant(method=Method(occlusion={"window": 300})),
                (INVALID, "INVALID_PARAMETER", "variants[1].method.occlusion.window"),
            ),
            (
                "method",
                Variant(method=Method(attention_rollout={})),
                ("FAILED_PRECONDITION", "METHOD_UNSUPPORTED", "variants[1].method.attention_rollout"),
            ),
            (
                "unit",
                Variant(method=Method(grad_cam={}), target=Target(unit=Unit(layer="blocks.10", channel=3))),
                ("FAILED_PRECONDITION", "METHOD_UNSUPPORTED", "variants[1].method.grad_cam.layer"),
            ),
            (
                "output",
                Variant(method=Method(deep_lift={}), target=Target(output=Target.OUTPUT_PROBABILITY)),
                (INVALID, "INVALID_INPUT", "variants[1].target"),
            ),
        )
    ),
    *(
        Case(
            f"{field} of a preprocessed picture",
            comparing(image=Image(preprocessed=from_array(np.zeros((3, 224, 224), np.float32))), **{field: Overlay()}),
            (INVALID, "NO_PICTURE", field),
        )
        for field in ("overlay", "contact_sheet")
    ),
    Case(
        "a sheet in an unknown colour map",
        comparing(contact_sheet=Overlay(colormap="jet")),
        (INVALID, "UNKNOWN_COLORMAP", "contact_sheet.colormap"),
    ),
    Case(
        "a sheet of opacity 2",
        comparing(contact_sheet=Overlay(opacity=2)),
        (INVALID, "OUT_OF_RANGE", "contact_sheet.opacity"),
    ),
    Case(
        "a sheet in an unknown format",
        comparing(contact_sheet=Overlay(format=UNKNOWN_ENUM)),
        (INVALID, "OUT_OF_RANGE", "contact_sheet.format"),
    ),
    Case("top_k 1001", comparing(top_k=1001), (INVALID, "OUT_OF_RANGE", "top_k")),
    Case("an unknown data_type", comparing(data_type=UNKNOWN_ENUM), (INVALID, "OUT_OF_RANGE", "data_type")),
    Case("an unknown precision", comparing(precision=UNKNOWN_ENUM), (INVALID, "OUT_OF_RANGE", "precision")),
    Case("no image", CompareRequest(model=LITE0, variants=comparing().variants), (INVALID, "IMAGE_MISSING", "image")),
    Case("no model", CompareRequest(variants=comparing().variants), (INVALID, "MODEL_MISSING", "model")),
]
FAILURE = [
    Case("no truth", failing(truth=None), (INVALID, "UNKNOWN_CLASS", "truth"), "index or label"),
    Case("an empty truth", failing(truth=ClassReference()), (INVALID, "UNKNOWN_CLASS", "truth"), "index or label"),
    Case(
        "an unknown truth", failing(truth=ClassReference(label="tabbi")), (INVALID, "UNKNOWN_CLASS", "truth"), "tabby"
    ),
    *(
        Case(f"truth {index}", failing(truth=ClassReference(index=index)), (INVALID, "UNKNOWN_CLASS", "truth"))
        for index in (-1, 1000, 2**31 - 1)
    ),
    Case(
        "an ambiguous truth",
        failing(truth=ClassReference(label="CARDIGAN")),
        (INVALID, "AMBIGUOUS_CLASS", "truth"),
        "264, 474",
    ),
    Case("an empty method", failing(method=Method()), (INVALID, "UNKNOWN_METHOD", "method")),
    Case(
        "a bad parameter",
        failing(method=Method(rise={"masks": 0})),
        (INVALID, "INVALID_PARAMETER", "method.rise.masks"),
    ),
    Case(
        "a window that does not fit",
        failing(method=Method(occlusion={"window": 300})),
        (INVALID, "INVALID_PARAMETER", "method.occlusion.window"),
    ),
    Case(
        "a method without a meaning",
        failing(method=Method(attention_rollout={})),
        ("FAILED_PRECONDITION", "METHOD_UNSUPPORTED", "method.attention_rollout"),
    ),
    Case(
        "a sheet of a preprocessed picture",
        failing(image=Image(preprocessed=from_array(np.zeros((3, 224, 224), np.float32))), contact_sheet=Overlay()),
        (INVALID, "NO_PICTURE", "contact_sheet"),
    ),
    Case("top_k -1", failing(top_k=-1), (INVALID, "OUT_OF_RANGE", "top_k")),
    Case("an unknown precision", failing(precision=UNKNOWN_ENUM), (INVALID, "OUT_OF_RANGE", "precision")),
    Case("no image", failing(image=None), (INVALID, "IMAGE_MISSING", "image")),
    Case("an unknown model", failing(model="models/resnet19"), ("NOT_FOUND", "UNKNOWN_MODEL", "model"), "resnet18"),
]
CASES = PICTURES + TENSORS + NAMES + PARAMETERS + TARGETS + RANGES + COMPARE + FAILURE + CLASSIFY + MODELS


@pytest.fixture
def send(stubs: Stubs) -> Callable[[Message], object]:
    """The call that takes a request."""

    calls: dict[type[Message], Callable[..., object]] = {
        AttributeRequest: stubs.attribute,
        CompareRequest: stubs.compare,
        AnalyzeFailureRequest: stubs.analyze_failure,
        ClassifyRequest: stubs.classify,
        ListModelsRequest: stubs.list_models,
        GetModelRequest: stubs.get_model,
        LoadModelRequest: stubs.load_model,
        UnloadModelRequest: stubs.unload_model,
    }
    return lambda request: calls[type(request)](request, timeout=SECONDS)


def assert_goes_on(stubs: Stubs) -> None:
    """A good call is answered."""
    assert stubs.attribute(asking(), timeout=SECONDS).attribution.shape == [1, 7, 7]


def has_field(message: Message, path: str) -> bool:
    """Whether a request has a field, or a oneof, of that dotted path; [0] and so on count the items of a list."""
    descriptor = message.DESCRIPTOR
    *outer, last = re.sub(r"\[\d+\]", "", path).split(".")
    for name in outer:
        field = descriptor.fields_by_name.get(name)
        if field is None or field.message_type is None:
            return False
        descriptor = field.message_type
    return last in descriptor.fields_by_name or last in descriptor.oneofs_by_name


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{type(case.request).__name__}-{case.name}"[:80])
def test_it_is_refused_with_status_reason_and_field(
    case: Case, send: Callable[[Message], object], stubs: Stubs
) -> None:
    found = refusal(lambda: send(case.request))
    assert_goes_on(stubs)
    assert (found.code, found.reason, found.field) == case.expected, found.message
    assert found.violations == (found.field,)
    assert found.domain == "convscope"
    assert case.says in found.message
    assert found.message
    assert found.retry_after is None
    assert found.size < 3 * 1024
    assert has_field(case.request, found.field)


@pytest.mark.parametrize("width", [9_000, 50_000])
def test_too_many_pixels_are_refused_from_the_header(width: int, stubs: Stubs, server: ServerProcess) -> None:
    data = png_that_claims(width, width)
    assert len(data) < 8 * 1024
    before = memory(server, "VmHWM")
    begun = time.monotonic()
    found = refusal(lambda: stubs.attribute(encoded(data), timeout=SECONDS))
    assert time.monotonic() - begun < 1
    assert found.reason == "IMAGE_TOO_LARGE"
    assert memory(server, "VmHWM") - before < 20, "MB; the pixels would take 80 at least"


def test_a_stream_answers_each_bad_request_as_the_lone_call_does(stubs: Stubs) -> None:
    cases = {case.name: case for case in CASES if isinstance(case.request, AttributeRequest)}
    requests = [
        AttributeStreamRequest(id=case.name, request=case.request)
        for case in CASES
        if isinstance(case.request, AttributeRequest)
    ]
    found = {one.id: one.error for one in stubs.attribute_stream(iter(requests), timeout=SECONDS)}
    assert found.keys() == cases.keys()
    for name, error in found.items():
        refused = Refusal.of_status(error)
        assert (refused.code, refused.reason, refused.field) == cases[name].expected, name
        assert refused.size < 3 * 1024
    assert_goes_on(stubs)


def test_a_label_that_two_classes_share_is_refused_with_their_indices(team: TeamServer) -> None:
    request = question(1, "light")
    request.target.class_label = "crane"
    found = refusal(lambda: team.stubs.attribute(request, timeout=SECONDS))
    assert (found.code, found.reason, found.field) == (INVALID, "AMBIGUOUS_CLASS", "target")
    assert "0, 3" in found.message
    request.target.class_label = "CAT"
    assert team.stubs.attribute(request, timeout=SECONDS).target.index == 1


def test_a_message_of_200_mb_is_refused_and_not_held(stubs: Stubs, server: ServerProcess) -> None:
    assert_goes_on(stubs)
    before = memory(server, "VmHWM")
    found = refusal(lambda: stubs.attribute(encoded(bytes(200 * 1024 * 1024)), timeout=SECONDS))
    assert found.code == "RESOURCE_EXHAUSTED"
    assert "larger than max" in found.message
    assert_goes_on(stubs)
    assert memory(server, "VmHWM") - before < 50, "MB"


def test_a_message_that_unfolds_to_200_mb_is_refused_and_not_held(stubs: Stubs, server: ServerProcess) -> None:
    assert_goes_on(stubs)
    before = memory(server, "VmHWM")
    request = encoded(bytes(200 * 1024 * 1024))
    found = refusal(lambda: stubs.attribute(request, timeout=SECONDS, compression=grpc.Compression.Gzip))
    assert found.code == "RESOURCE_EXHAUSTED"
    assert "larger than max" in found.message
    assert_goes_on(stubs)
    # gRPC unfolds up to the limit, 64 MiB, before it refuses.
    assert memory(server, "VmHWM") - before < 100, "MB"


def test_a_message_just_under_the_limit_is_taken(stubs: Stubs) -> None:
    found = refusal(lambda: stubs.attribute(encoded(bytes(63 * 1024 * 1024)), timeout=SECONDS))
    assert (found.code, found.reason, found.field) == UNDECODABLE
    assert_goes_on(stubs)


def test_the_largest_finite_values_are_no_fault_of_the_servers(stubs: Stubs) -> None:
    largest = np.full((3, 224, 224), np.finfo(np.float32).max, np.float32)
    request = asking(Image(preprocessed=from_array(largest)), data_type=FLOAT16, heatmap=True)
    call = stubs.attribute.future(request, timeout=SECONDS)
    error = call.exception()
    assert error is None or Refusal.of(cast(grpc.RpcError, error)).code == INVALID
    assert_goes_on(stubs)


def memory(server: ServerProcess, kind: str) -> float:
    """Of the server's process, in MB; VmHWM is the most that it ever held."""
    lines = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(kind)) / 1024
