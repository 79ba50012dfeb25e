"""Calls about captions and questions."""

from typing import Any

from convscope.client.arguments import check_integer
from convscope.client.images import Picture, to_image
from convscope.client.methods import to_method
from convscope.client.parse import to_attribution, to_classification, to_predictions, to_region
from convscope.client.plans import Plan, resource, to_data_type
from convscope.client.results import Classification
from convscope.client.sentences import Sentence, SentenceAttribution
from convscope.client.targets import to_sentence
from convscope.v1.attribution_service_pb2 import (
    AnswerRequest,
    AttributeCaptionRequest,
    AttributeCaptionResponse,
    CaptionRequest,
    CaptionResponse,
)


def caption(image: Picture, model: str, beams: int) -> Plan[Sentence]:
    """Raises InvalidArgument."""
    request = CaptionRequest(model=resource(model), image=to_image(image), beams=check_integer("beams", beams))

    def parse(response: CaptionResponse) -> Sentence:
        words = to_predictions(response.words)
        return Sentence(response.text, words, response.log_probability, to_region(response.region))

    return Plan(lambda stubs: stubs.attribution.Caption, request, parse)


def answer(image: Picture, question: str, model: str, top_k: int) -> Plan[Classification]:
    """Raises InvalidArgument."""
    request = AnswerRequest(
        model=resource(model),
        image=to_image(image),
        question=to_sentence("question", question),
        top_k=check_integer("top_k", top_k),
    )
    return Plan(lambda stubs: stubs.attribution.Answer, request, to_classification)


def attribute_caption(
    image: Picture,
    *,
    model: str,
    text: str | None,
    beams: int,
    method: str,
    data_type: str,
    parameters: dict[str, Any],
) -> Plan[SentenceAttribution]:
    """Raises InvalidArgument."""
    request = AttributeCaptionRequest(
        model=resource(model),
        image=to_image(image),
        text="" if text is None else to_sentence("text", text),
        beams=check_integer("beams", beams),
        method=to_method(method, parameters),
        data_type=to_data_type(data_type),
    )

    def parse(response: AttributeCaptionResponse) -> SentenceAttribution:
        each = (to_attribution(one, method, model, request.image) for one in response.attributions)
        return SentenceAttribution(response.text, tuple(each))

    return Plan(lambda stubs: stubs.attribution.AttributeCaption, request, parse)
