"""Captions, answers, and what is explained of them, by both clients and the command."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from convscope.client import Answer, Caption, Client, FailedPrecondition, InvalidArgument, Word
from convscope.engine.shapes.dataset import ShapesDataset
from tests.clients.conftest import CLIENTS
from tests.clients.terminal import Run, assert_one_sentence, in_process, output
from tests.processes import ServerProcess

CAPTIONER, ANSWERER = "shapes_captioner", "shapes_vqa"
WORLD = ShapesDataset(4, task="question", seed=78)


@pytest.fixture(params=CLIENTS)
def speaking(request: pytest.FixtureRequest, words_server: ServerProcess) -> Any:
    return CLIENTS[request.param](words_server.address)


@pytest.fixture
def scene() -> Image.Image:
    return WORLD.painting(1).image


def test_a_caption_has_its_words(speaking: Any, scene: Image.Image) -> None:
    said = speaking.caption(scene, model=CAPTIONER)
    assert str(said) == said.text == " ".join(word.label for word in said)
    assert said.log_probability <= sum(word.score for word in said) + 1e-4
    wider = speaking.caption(scene, model=CAPTIONER, beams=4)
    assert wider.log_probability >= said.log_probability - 1e-4


def test_an_answer_is_a_list_of_answers(speaking: Any, scene: Image.Image) -> None:
    found = speaking.answer(scene, "How many stars are there?", model=ANSWERER, top_k=3)
    assert len(found) == 3
    assert found[0].probability >= found[1].probability >= found[2].probability


def test_targets_are_words_captions_and_answers(speaking: Any, scene: Image.Image) -> None:
    said = speaking.caption(scene, model=CAPTIONER)
    explained: Callable[..., Any] = speaking.attribute
    whole = explained(scene, model=CAPTIONER, method="grad_cam", target=Caption())
    assert (whole.target_name, whole.sentence) == (said.text, said.text)
    place = len(said) - 1
    for word in (Word(place), Word(place, said.text)):
        found = explained(scene, model=CAPTIONER, method="grad_cam", target=word)
        assert (found.target_name, found.target.index) == (said[place].label, place)
        assert found.explained == pytest.approx(said[place].score, abs=1e-4)
    named = explained(scene, model=CAPTIONER, method="grad_cam", target=Word("A"))
    assert named.target.index == 0
    (best, *_) = speaking.answer(scene, "is there a red circle", model=ANSWERER)
    asked = explained(scene, model=ANSWERER, method="grad_cam", target=Answer("is there a red circle"))
    assert (str(asked), asked.sentence) == (str(best), "is there a red circle")
    other = explained(
        scene, model=ANSWERER, method="gradient", target=Answer("is there a red circle", "no", "log_probability")
    )
    assert other.target_name == "no"
    assert other.explained <= 0


def test_each_word_is_explained_in_one_call(speaking: Any, scene: Image.Image) -> None:
    text = "a small red star above a blue square"
    found = speaking.attribute_caption(scene, text, model=CAPTIONER, method="guided_grad_cam")
    assert found.text == text
    assert [one.target_name for one in found] == text.split()
    assert found.contact_sheet().height > 3 * 214
    alone = speaking.attribute(scene, model=CAPTIONER, method="guided_grad_cam", target=Word("blue", text))
    np.testing.assert_allclose(found[6].values, alone.values, atol=1e-4 * np.abs(alone.values).max())


@pytest.mark.parametrize(
    ("target", "field"),
    [
        (Caption(""), "target.caption.text"),
        (Word(""), "target.caption.word"),
        (Word("zebra", "a red zebra"), "target.caption.text"),
        (Word(-1), "target.caption.position"),
        (Word(True), "target.caption.position"),
        (Caption(beams=1.5), "target.caption.beams"),  # type: ignore[arg-type]
        (Caption(7), "target.caption.text"),  # type: ignore[arg-type]
    ],
)
def test_bad_words_are_named(words_server: ServerProcess, scene: Image.Image, target: Any, field: str) -> None:
    with Client.connect(words_server.address) as client, pytest.raises(InvalidArgument) as caught:
        client.attribute(scene, model=CAPTIONER, method="grad_cam", target=target)
    assert caught.value.field == field


@pytest.mark.parametrize(
    "target", [Answer(""), Answer("why"), Answer("is there a star", "mauve"), Answer("a", output="x")]
)
def test_bad_questions_are_named(words_server: ServerProcess, scene: Image.Image, target: Answer) -> None:
    with Client.connect(words_server.address) as client, pytest.raises(InvalidArgument) as caught:
        client.attribute(scene, model=ANSWERER, method="grad_cam", target=target)
    assert caught.value.field.startswith("target.")


def test_a_model_of_another_task_says_what_it_does(words_server: ServerProcess, scene: Image.Image) -> None:
    with Client.connect(words_server.address) as client:
        with pytest.raises(FailedPrecondition, match="answers questions; this is for one that captions pictures"):
            client.caption(scene, model=ANSWERER)
        assert [client.model(name).task for name in (CAPTIONER, ANSWERER)] == ["caption", "vqa"]


@pytest.fixture
def run(
    words_server: ServerProcess,
    tmp_path: Path,
    scene: Image.Image,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    scene.save(tmp_path / "scene.png")
    return in_process(words_server.address, tmp_path, monkeypatch, capsys)


def test_the_commands_say_and_answer(run: Run, words_server: ServerProcess, scene: Image.Image, tmp_path: Path) -> None:
    with Client.connect(words_server.address) as client:
        said = client.caption(scene, model=CAPTIONER)
        (best, *_) = client.answer(scene, "how many circles are there", model=ANSWERER)
    assert output(run("caption", "scene.png")) == f"{said.text}\n"
    assert output(run("caption", "scene.png", "-o", "why.png")) == f"{said.text}: grad_cam -> why.png\n"
    with Image.open(tmp_path / "why.png") as sheet:
        assert sheet.width > 4 * 320
    lines = output(run("answer", "scene.png", "How many circles are there?", "-k", "2")).splitlines()
    assert lines[0] == f"{best.probability:7.2%}  {best.label}"
    assert len(lines) == 2


TARGETS: dict[tuple[str, ...], tuple[str, Any]] = {
    ("--question", "is there a red circle"): (ANSWERER, Answer("is there a red circle")),
    ("--question", "is there a red circle", "--answer", "no"): (ANSWERER, Answer("is there a red circle", "no")),
    ("--caption", "a red star"): (CAPTIONER, Caption("a red star")),
    ("--word", "star", "--caption", "a red star"): (CAPTIONER, Word("star", "a red star")),
    ("--word", "1"): (CAPTIONER, Word(1)),
}


@pytest.mark.parametrize("options", TARGETS, ids=" ".join)
def test_attribute_explains_words(
    run: Run, words_server: ServerProcess, scene: Image.Image, tmp_path: Path, options: tuple[str, ...]
) -> None:
    model, target = TARGETS[options]
    line = output(run("attribute", "scene.png", "-m", model, *options, "-o", "why.npy"))
    with Client.connect(words_server.address) as client:
        expected = client.attribute(tmp_path / "scene.png", model=model, method="grad_cam", target=target)
    assert line.startswith(f"{expected}: grad_cam at ")
    np.testing.assert_allclose(np.load(tmp_path / "why.npy"), expected.values, atol=1e-6)


@pytest.mark.parametrize(
    "options",
    [
        ("--answer", "yes"),
        ("--question", "why", "--word", "star"),
        ("--word", "star", "-t", "tabby"),
    ],
)
def test_what_contradicts_itself_is_refused(run: Run, options: tuple[str, ...]) -> None:
    refused = run("attribute", "scene.png", "-m", CAPTIONER, *options)
    assert refused.returncode == 2
    assert options[0] in refused.stderr


def test_a_caption_of_ones_own_is_there_to_be_explained(run: Run) -> None:
    assert run("caption", "scene.png", "--text", "a red star").returncode == 2
    refused = run("caption", "scene.png", "-o", "why.png", "--text", "a mauve star")
    assert "unknown word 'mauve'" in assert_one_sentence(refused)
