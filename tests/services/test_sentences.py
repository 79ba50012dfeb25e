"""Captions, answers, and explanations of both, against the engine in this process."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage
from torch import Tensor

from convscope.client.tensors import to_array
from convscope.engine.attribution.attribute import attribute_fully
from convscope.engine.attribution.target import ClassTarget
from convscope.engine.models.catalogue import Catalogue
from convscope.engine.models.model import Model
from convscope.engine.shapes.dataset import ShapesDataset
from convscope.engine.words.captioner import Captioner, caption
from convscope.v1.attribution_service_pb2 import (
    AnswerRequest,
    AttributeCaptionRequest,
    AttributeRequest,
    CaptionRequest,
    ClassifyRequest,
    CompareRequest,
    Overlay,
    Variant,
)
from convscope.v1.image_pb2 import Image
from convscope.v1.inspection_service_pb2 import GetActivationsRequest
from convscope.v1.target_pb2 import AnswerTarget, CaptionTarget, Target
from tests.processes import ServerProcess
from tests.services.asking import method
from tests.services.calls import SECONDS, Refusal, Stubs, calling, refusal

CAPTIONER, ANSWERER, CLASSIFIER = "models/shapes_captioner", "models/shapes_vqa", "models/shapes_classifier"
WORLD = ShapesDataset(12, task="question", seed=77)


@pytest.fixture(scope="module")
def asked(words_server: ServerProcess) -> Iterator[Stubs]:
    with calling(words_server.address) as stubs:
        yield stubs


@pytest.fixture(scope="module")
def models() -> dict[str, Model]:
    catalogue = Catalogue.read()
    return {name: catalogue.load(name.removeprefix("models/")) for name in (CAPTIONER, ANSWERER)}


def file(place: int) -> Image:
    data = BytesIO()
    WORLD.painting(place).image.save(data, "PNG")
    return Image(encoded=data.getvalue())


def picture(model: Model, place: int) -> Tensor:
    cropped, _ = model.preprocessing.crop(WORLD.painting(place).image)
    return model.preprocessing.normalize(cropped[None])


def said(model: Model, place: int, beams: int = 1) -> list[int]:
    assert isinstance(model.network, Captioner)
    tokens, _ = caption(model.network, picture(model, place), beams=beams)
    return tokens[0].tolist()


@pytest.mark.parametrize("beams", [0, 1, 4])
def test_a_caption_is_that_of_the_engine(asked: Stubs, models: dict[str, Model], beams: int) -> None:
    model = models[CAPTIONER]
    assert model.tokenizer is not None
    for place in range(4):
        response = asked.caption(CaptionRequest(model=CAPTIONER, image=file(place), beams=beams), timeout=SECONDS)
        tokens = said(model, place, beams or 1)
        assert response.text == " ".join(model.tokenizer.decode(tokens))
        with torch.no_grad():
            chances = model.reading(torch.tensor([tokens]))(picture(model, place))[0]
        np.testing.assert_allclose([word.score for word in response.words], chances[:-1], atol=1e-4)
        np.testing.assert_allclose([word.probability for word in response.words], chances[:-1].exp(), atol=1e-4)
        assert response.log_probability == pytest.approx(float(chances.sum()), abs=1e-3)
        assert [word.label for word in response.words] == response.text.split()
        assert [word.index for word in response.words] == list(range(len(response.words)))


def test_an_answer_is_that_of_the_engine_also_in_batches(asked: Stubs, models: dict[str, Model]) -> None:
    """Questions of several lengths at once."""
    model = models[ANSWERER]
    questions = [WORLD.target(place) for place in range(len(WORLD))]

    def answer(place: int) -> list[float]:
        question = questions[place].text  # type: ignore[union-attr]
        request = AnswerRequest(model=ANSWERER, image=file(place), question=f"{question}?", top_k=100)
        found = asked.answer(request, timeout=SECONDS).predictions
        assert [one.probability for one in found] == sorted((one.probability for one in found), reverse=True)
        return [one.score for one in sorted(found, key=lambda one: one.index)]

    with ThreadPoolExecutor(len(WORLD)) as pool:
        found = list(pool.map(answer, range(len(WORLD))))
    for place, scores in enumerate(found):
        assert model.tokenizer is not None
        tokens = model.tokenizer.encode(questions[place].text, field="question")  # type: ignore[union-attr]
        with torch.no_grad():
            expected = model.reading(torch.tensor([tokens]))(picture(model, place))[0]
        np.testing.assert_allclose(scores, expected, atol=1e-3)


@pytest.mark.parametrize("name", ["grad_cam", "guided_grad_cam", "saliency", "integrated_gradients"])
def test_every_word_is_explained_in_one_call(asked: Stubs, models: dict[str, Model], name: str) -> None:
    model, place = models[CAPTIONER], 3
    request = AttributeCaptionRequest(model=CAPTIONER, image=file(place), method=method(name), heatmap=True)
    response = asked.attribute_caption(request, timeout=SECONDS)
    assert model.tokenizer is not None
    tokens = said(model, place)
    words = model.tokenizer.decode(tokens)
    assert response.text == " ".join(words)
    assert [one.target_name for one in response.attributions] == words
    given = model.reading(torch.tensor([tokens]))
    for position, answer in enumerate(response.attributions):
        assert answer.sentence == response.text
        target = ClassTarget((position,), output="score")
        expected = attribute_fully(given, picture(model, place), target, name, preprocessing=model.preprocessing)
        values = expected.values[0].numpy()
        np.testing.assert_allclose(to_array(answer.attribution), values, atol=1e-4 * np.abs(values).max() + 1e-9)
        assert answer.explained == pytest.approx(float(expected.explained), abs=1e-4)
        assert answer.target.probability == pytest.approx(float(expected.explained.exp()), abs=1e-4)
        assert (answer.target.index, answer.target.label) == (position, words[position])
        alone = AttributeRequest(
            model=CAPTIONER,
            image=file(place),
            method=method(name),
            target=Target(caption=CaptionTarget(position=position)),
        )
        one = asked.attribute(alone, timeout=SECONDS)
        np.testing.assert_allclose(to_array(one.attribution), values, atol=1e-4 * np.abs(values).max() + 1e-9)


def test_the_caption_may_be_given_and_a_word_named(asked: Stubs, models: dict[str, Model]) -> None:
    model, text = models[CAPTIONER], "a red circle above a small red star"
    assert model.tokenizer is not None
    tokens = [*model.tokenizer.encode(text, field="text"), model.tokenizer.end]
    given = model.reading(torch.tensor([tokens]))

    def explained(target: CaptionTarget) -> tuple[str, float]:
        request = AttributeRequest(
            model=CAPTIONER, image=file(0), method=method("gradient"), target=Target(caption=target)
        )
        answer = asked.attribute(request, timeout=SECONDS)
        return answer.target_name, answer.explained

    with torch.no_grad():
        chances = given(picture(model, 0))[0]
    for target, words, value in (
        (CaptionTarget(text=text), text, chances.sum()),
        (CaptionTarget(text=text, word="RED"), "red", chances[1]),
        (CaptionTarget(text=text, position=6), "red", chances[6]),
    ):
        name, number = explained(target)
        assert name == words
        assert number == pytest.approx(float(value), abs=1e-3)


def test_without_a_target_a_captioners_own_caption_is_explained(asked: Stubs) -> None:
    own = asked.caption(CaptionRequest(model=CAPTIONER, image=file(5)), timeout=SECONDS)
    request = AttributeRequest(model=CAPTIONER, image=file(5), method=method("grad_cam"))
    answer = asked.attribute(request, timeout=SECONDS)
    assert answer.target_name == answer.sentence == own.text
    assert answer.explained == pytest.approx(own.log_probability, abs=1e-3)
    assert [word.label for word in answer.predictions] == own.text.split()


@pytest.mark.parametrize("answer", ["", "yes", "no"])
def test_an_answer_is_explained_as_the_engine_does(asked: Stubs, models: dict[str, Model], answer: str) -> None:
    model, question = models[ANSWERER], "is there a red circle"
    request = AttributeRequest(
        model=ANSWERER,
        image=file(1),
        method=method("grad_cam"),
        target=Target(answer=AnswerTarget(question=question, answer=answer)),
    )
    response = asked.attribute(request, timeout=SECONDS)
    assert model.tokenizer is not None
    given = model.reading(torch.tensor([model.tokenizer.encode(question, field="question")]))
    target = ClassTarget((model.labels.index_of(answer),)) if answer else ClassTarget()
    expected = attribute_fully(given, picture(model, 1), target, "grad_cam")
    assert response.sentence == question
    assert response.target_name == response.target.label == model.labels[expected.targets.each[0].classes[0]]  # type: ignore[union-attr]
    values = expected.values[0].numpy()
    np.testing.assert_allclose(to_array(response.attribution), values, atol=1e-4 * np.abs(values).max() + 1e-9)


def test_the_sentence_is_drawn_with_a_map_for_each_word(asked: Stubs) -> None:
    request = AttributeCaptionRequest(model=CAPTIONER, image=file(2), contact_sheet=Overlay())
    response = asked.attribute_caption(request, timeout=SECONDS)
    sheet = PillowImage.open(BytesIO(response.contact_sheet))
    rows = -(-(1 + len(response.attributions)) // 4)
    assert sheet.height > 200 * rows
    assert np.asarray(sheet).std() > 10


def test_variants_share_one_sentence(asked: Stubs) -> None:
    def compare(*questions: str) -> CompareRequest:
        targets = [Target(answer=AnswerTarget(question=question)) for question in questions]
        variants = [Variant(method=method("grad_cam"), target=target) for target in targets]
        return CompareRequest(model=ANSWERER, image=file(0), variants=variants)

    response = asked.compare(compare("how many circles are there", "how many circles are there?"), timeout=SECONDS)
    assert len(response.attributions) == 2
    refused = refusal(
        lambda: asked.compare(compare("how many circles are there", "is there a red star"), timeout=SECONDS)
    )
    assert (refused.reason, refused.field) == ("SENTENCES_DIFFER", "variants[1].target")


def on(model: str, target: Target, name: str = "grad_cam") -> AttributeRequest:
    return AttributeRequest(model=model, image=file(0), method=method(name), target=target)


BAD_TARGETS = [
    (CAPTIONER, Target(caption=CaptionTarget(text="a red zebra")), "UNKNOWN_WORD", "target.caption.text"),
    (CAPTIONER, Target(caption=CaptionTarget(text=" . ")), "SENTENCE_EMPTY", "target.caption.text"),
    (CAPTIONER, Target(caption=CaptionTarget(text="red " * 65)), "SENTENCE_TOO_LONG", "target.caption.text"),
    (CAPTIONER, Target(caption=CaptionTarget(text="a red star", word="blue")), "UNKNOWN_WORD", "target.caption.word"),
    (
        CAPTIONER,
        Target(caption=CaptionTarget(text="a red star", position=3)),
        "OUT_OF_RANGE",
        "target.caption.position",
    ),
    (CAPTIONER, Target(caption=CaptionTarget(position=-1)), "OUT_OF_RANGE", "target.caption.position"),
    (CAPTIONER, Target(caption=CaptionTarget(word="left of")), "UNKNOWN_WORD", "target.caption.word"),
    (CAPTIONER, Target(caption=CaptionTarget(beams=17)), "OUT_OF_RANGE", "target.caption.beams"),
    (CAPTIONER, Target(caption=CaptionTarget(), output=Target.OUTPUT_PROBABILITY), "OUT_OF_RANGE", "target.output"),
    (CAPTIONER, Target(class_index=0), "TASK_UNSUPPORTED", "target"),
    (CAPTIONER, Target(answer=AnswerTarget(question="is there a star")), "TASK_UNSUPPORTED", "target.answer"),
    (ANSWERER, Target(), "SENTENCE_EMPTY", "target.answer.question"),
    (ANSWERER, Target(class_index=0), "TASK_UNSUPPORTED", "target"),
    (ANSWERER, Target(answer=AnswerTarget(question="why")), "UNKNOWN_WORD", "target.answer.question"),
    (
        ANSWERER,
        Target(answer=AnswerTarget(question="what color is the star", answer="mauve")),
        "UNKNOWN_CLASS",
        "target.answer.answer",
    ),
    (CLASSIFIER, Target(caption=CaptionTarget()), "TASK_UNSUPPORTED", "target.caption"),
    (CLASSIFIER, Target(answer=AnswerTarget(question="why")), "TASK_UNSUPPORTED", "target.answer"),
]


@pytest.mark.parametrize(("model", "target", "reason", "field"), BAD_TARGETS)
def test_a_bad_target_is_named(asked: Stubs, model: str, target: Target, reason: str, field: str) -> None:
    refused = refusal(lambda: asked.attribute(on(model, target), timeout=SECONDS))
    assert (refused.reason, refused.field) == (reason, field), refused


BAD_CALLS = {
    "a caption of a classifier": ("caption", CaptionRequest(model=CLASSIFIER), "TASK_UNSUPPORTED", "model"),
    "too many beams": ("caption", CaptionRequest(model=CAPTIONER, beams=99), "OUT_OF_RANGE", "beams"),
    "an answer of a captioner": (
        "answer", AnswerRequest(model=CAPTIONER, question="why"), "TASK_UNSUPPORTED", "model",
    ),
    "no question": ("answer", AnswerRequest(model=ANSWERER), "SENTENCE_EMPTY", "question"),
    "an unknown word": ("answer", AnswerRequest(model=ANSWERER, question="how many cats"), "UNKNOWN_WORD", "question"),
    "classes of a captioner": ("classify", ClassifyRequest(model=CAPTIONER), "TASK_UNSUPPORTED", "model"),
    "classes of an answerer": ("classify", ClassifyRequest(model=ANSWERER), "TASK_UNSUPPORTED", "model"),
    "words of a classifier": (
        "attribute_caption", AttributeCaptionRequest(model=CLASSIFIER), "TASK_UNSUPPORTED", "model",
    ),
    "words that are none": (
        "attribute_caption", AttributeCaptionRequest(model=CAPTIONER, text="a mauve star"), "UNKNOWN_WORD", "text",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_CALLS)
def test_a_bad_call_names_its_field(asked: Stubs, name: str) -> None:
    call, request, reason, field = BAD_CALLS[name]
    request.MergeFrom(type(request)(image=file(0)))
    refused: Refusal = refusal(lambda: getattr(asked, call)(request, timeout=SECONDS))
    assert (refused.reason, refused.field) == (reason, field), refused


def test_the_eye_of_a_captioner_can_be_looked_into(asked: Stubs, models: dict[str, Model]) -> None:
    """Without any words, by the network that the server runs."""
    model, layer = models[CAPTIONER], "eye.block5"
    request = GetActivationsRequest(model=CAPTIONER, image=file(0), layers=[layer])
    response = asked.get_activations(request, timeout=SECONDS)
    (found,) = response.activations
    assert not response.predictions
    assert model.network is not None
    with torch.no_grad():
        expected = model.network.get_submodule("eye")(picture(model, 0))[0]
    np.testing.assert_allclose(to_array(found.values), expected, atol=1e-3)
