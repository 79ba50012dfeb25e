"""Results to messages of the contract."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from convscope.engine.attribution.segmentation import Segmentation
from convscope.engine.attribution.target import ClassTarget, Target
from convscope.engine.errors import InvalidInput
from convscope.engine.imaging.comparison import Panel, comparison_sheet, sentence_sheet
from convscope.engine.imaging.contact_sheet import Tile
from convscope.engine.imaging.cutout import cutout
from convscope.engine.imaging.heatmap import Reduction, to_heatmap
from convscope.engine.imaging.overlay import OPACITY, overlay
from convscope.engine.models.model import Model
from convscope.engine.models.preprocessing import Region
from convscope.services.attribution.files import jpeg, png
from convscope.services.attribution.pictures import Picture
from convscope.services.attribution.requests import PRECISIONS, Order, Part
from convscope.services.attribution.work import Answer, Result
from convscope.services.common.targets import target_name
from convscope.services.common.tensors import to_tensor
from convscope.v1 import attribution_service_pb2, image_pb2
from convscope.v1.attribution_service_pb2 import AttributeResponse, Overlay
from convscope.v1.prediction_pb2 import Prediction
from convscope.v1.segmentation_pb2 import Box, Outline
from convscope.v1.segmentation_pb2 import Segmentation as SegmentationMessage

REDUCTIONS: Mapping[Reduction, attribution_service_pb2.Reduction] = {
    "sum": attribution_service_pb2.REDUCTION_SUM,
    "largest": attribution_service_pb2.REDUCTION_LARGEST,
}
JPEG_QUALITY = 90
LONGEST_JPEG = 65_500
"""Pixels of a side: more libjpeg does not write."""


def to_responses(order: Order, model: Model, picture: Picture, result: Result) -> list[AttributeResponse]:
    """The answers to the parts of an order."""
    predictions = _predictions(order, model, result, order.form.top_k)
    return [
        _to_response(part, answer, predictions, order=order, model=model, picture=picture, result=result)
        for part, answer in zip(order.parts, result.answers, strict=True)
    ]


def _to_response(
    part: Part,
    answer: Answer,
    predictions: Sequence[Prediction],
    *,
    order: Order,
    model: Model,
    picture: Picture,
    result: Result,
) -> AttributeResponse:
    ask, form = part.ask, order.form
    height, width = model.preprocessing.height, model.preprocessing.width
    response = AttributeResponse(
        attribution=to_tensor(answer.values, form.data_type),
        predictions=predictions,
        region=to_region(picture.region),
        layer=ask.layer,
        input_height=height,
        input_width=width,
        precision=PRECISIONS[order.precision],
        target_name=_target_name(answer.target, order, model),
        explained=answer.explained,
        convergence_error=answer.convergence_error,
        reduction=REDUCTIONS[ask.method.reduction],
        sentence=order.sentence.text if order.sentence else "",
    )
    if isinstance(answer.target, ClassTarget):
        response.target.CopyFrom(_prediction(answer.target.classes[0], result, order, model))
    if answer.segmentation is not None:
        response.segmentation.CopyFrom(_to_segmentation(answer.segmentation))
    if form.heatmap or form.overlay:
        heatmap = to_heatmap(answer.values, height, width, ask.method.reduction)
        if form.heatmap:
            response.heatmap.CopyFrom(to_tensor(heatmap, form.data_type))
        if form.overlay:
            _check_sides(form.overlay, picture)
            response.overlay = _to_file(_draw(form.overlay, answer, heatmap, picture), form.overlay)
    return response


def to_sheet(
    order: Order, model: Model, picture: Picture, result: Result, responses: Sequence[AttributeResponse]
) -> bytes:
    """The picture and the answers to all parts on one labelled sheet, a file."""
    options, preprocessing = order.form.contact_sheet, model.preprocessing
    assert options is not None
    assert picture.original is not None
    panels = []
    for part, answer, response in zip(order.parts, result.answers, responses, strict=True):
        ask = part.ask
        heatmap = to_heatmap(answer.values, preprocessing.height, preprocessing.width, ask.method.reduction)
        drawing = _draw(options, answer, heatmap, picture)
        panels.append(Panel(drawing, ask.method_name, ask.layer, _words(response), part.role))
    return _to_file(comparison_sheet(picture.original, _title(order, model, result), panels), options)


def to_sentence_sheet(order: Order, model: Model, picture: Picture, result: Result) -> bytes:
    """The picture, and every word of the caption with its map, a file."""
    options, preprocessing = order.form.contact_sheet, model.preprocessing
    assert options is not None
    assert picture.original is not None
    assert order.sentence is not None
    tiles = []
    for part, word, answer in zip(order.parts, order.sentence.words, result.answers, strict=True):
        heatmap = to_heatmap(answer.values, preprocessing.height, preprocessing.width, part.ask.method.reduction)
        tiles.append(Tile(_draw(options, answer, heatmap, picture), word, f"{np.exp(answer.explained):.1%}"))
    return _to_file(sentence_sheet(picture.original, order.sentence.text, tiles), options)


def _title(order: Order, model: Model, result: Result) -> str:
    """What the model says of the picture."""
    if order.sentence is not None and order.sentence.kind == "caption":
        return order.sentence.text
    best = to_predictions(result, model.labels, 1)[0]
    said = f"{best.label} {best.probability:.1%}"
    return f"{order.sentence.text}? {said}" if order.sentence else said


def _target_name(target: Target, order: Order, model: Model) -> str:
    if order.sentence is not None and isinstance(target, ClassTarget) and len(target.classes) == len(order.words):
        return order.sentence.text  # the whole caption
    return target_name(target, order.labels(model))


def to_predictions(result: Result, labels: Sequence[str], top_k: int) -> list[Prediction]:
    """The `top_k` most probable classes, best first; of equal ones the first."""
    best = np.argsort(-result.scores, kind="stable")[:top_k]
    return [_class(int(index), result, labels) for index in best]


def to_words(result: Result, words: Sequence[str]) -> list[Prediction]:
    """The words of a caption in their order, of which `result` has the log-probabilities."""
    return [_word(place, result, words) for place in range(len(words))]


def _predictions(order: Order, model: Model, result: Result, top_k: int) -> list[Prediction]:
    if order.sentence is not None and order.sentence.kind == "caption":
        return to_words(result, order.sentence.words)
    return to_predictions(result, model.labels, top_k)


def _prediction(index: int, result: Result, order: Order, model: Model) -> Prediction:
    if order.sentence is not None and order.sentence.kind == "caption":
        return _word(index, result, order.labels(model))
    return _class(index, result, model.labels)


def to_region(region: Region) -> image_pb2.Region:
    left, top, right, bottom = region
    return image_pb2.Region(left=left, top=top, right=right, bottom=bottom)


def _word(place: int, result: Result, words: Sequence[str]) -> Prediction:
    score = result.scores[place]
    return Prediction(index=place, label=words[place], score=score, probability=np.exp(score))


def _class(index: int, result: Result, labels: Sequence[str]) -> Prediction:
    return Prediction(
        index=index, label=labels[index], score=result.scores[index], probability=result.probabilities[index]
    )


def _words(response: AttributeResponse) -> str:
    """What was explained, with its probability where it is one class."""
    target = response.target
    single = response.HasField("target") and response.target_name == target.label
    return f"{target.label} {target.probability:.1%}" if single else response.target_name


def _to_segmentation(found: Segmentation) -> SegmentationMessage:
    return SegmentationMessage(
        box=_to_box(found.box),
        outlines=[Outline(x=[x for x, _ in outline], y=[y for _, y in outline]) for outline in found.outlines],
        heatmap_box=_to_box(found.heatmap_box),
        note=found.note,
    )


def _to_box(box: tuple[int, int, int, int] | None) -> Box | None:
    return None if box is None else Box(left=box[0], top=box[1], right=box[2], bottom=box[3])


def _check_sides(options: Overlay, picture: Picture) -> None:
    assert picture.original is not None
    if options.format == Overlay.FORMAT_JPEG and max(picture.original.size) > LONGEST_JPEG:
        message = f"a JPEG has sides of at most {LONGEST_JPEG} pixels; ask for a PNG, or send a shorter picture"
        raise InvalidInput(message, field="overlay.format", reason="PICTURE_TOO_LONG")


def _draw(options: Overlay, answer: Answer, heatmap: NDArray[np.float32], picture: Picture) -> PillowImage.Image:
    assert picture.original is not None
    if answer.segmentation is not None:
        return cutout(picture.original, heatmap, picture.region)
    return overlay(
        picture.original,
        heatmap,
        picture.region,
        opacity=options.opacity if options.HasField("opacity") else OPACITY,
        colormap=options.colormap or "turbo",
    )


def _to_file(drawing: PillowImage.Image, options: Overlay) -> bytes:
    return jpeg(drawing, JPEG_QUALITY) if options.format == Overlay.FORMAT_JPEG else png(drawing)
