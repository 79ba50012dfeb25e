"""Captions and answers on the page, against the SDK."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from convscope.client import Client
from convscope.web.subject import sample
from tests.web.test_look_inside import choose

CAPTIONER, ANSWERER = "shapes_captioner", "shapes_vqa"
QUESTION = "how many circles are there"


@pytest.fixture
def scene() -> Path:
    path = sample("scene")
    assert path is not None
    return Path(path)


def opened(page: Page, model: str) -> Page:
    """The tab, with the made scene and a model."""
    page.get_by_role("button", name="A made scene").click()
    choose(page, "model", model)
    page.get_by_role("tab", name="Words").click()
    return page


def test_every_word_of_a_caption_has_its_map(page: Page, client: Client, scene: Path) -> None:
    client.load_model(CAPTIONER)
    opened(page, CAPTIONER)
    expect(page.locator("#words-hint")).to_contain_text("Ask for its caption")
    page.get_by_role("button", name="Ask", exact=True).click()
    said = client.caption(scene, model=CAPTIONER)
    expect(page.locator("#words-said h3")).to_contain_text(said.text)
    shown = page.locator("#words-said").get_by_role("listitem")
    expect(shown).to_have_count(len(said))
    assert shown.locator(".caption").all_inner_texts() == [word.label for word in said]
    assert shown.locator(".note").all_inner_texts() == [f"{word.probability:.1%}" for word in said]
    # What was said of one picture does not stand under another.
    page.get_by_role("button", name="A cat").click()
    expect(page.locator("#words-said h3")).to_have_count(0)


def test_a_question_is_answered_and_the_answer_explained(page: Page, client: Client, scene: Path) -> None:
    client.load_model(ANSWERER)
    opened(page, ANSWERER)
    box = page.locator("#sentence").get_by_role("textbox")
    expect(page.get_by_label("Question about the picture")).to_be_visible()
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(page.locator("#words-said")).to_contain_text("Ask something about the picture")
    box.fill(f"{QUESTION}?")
    box.press("Enter")
    best = client.answer(scene, QUESTION, model=ANSWERER)[0]
    expect(page.locator("#words-said h3")).to_contain_text(str(best))
    expect(page.locator("#words-said").get_by_role("listitem")).to_contain_text(QUESTION)
    box.fill("how many zebras are there?")
    box.press("Enter")
    expect(page.get_by_text("Unknown word 'zebras'")).to_be_visible()


def test_a_model_without_words_says_so(page: Page) -> None:
    page.get_by_role("button", name="A made scene").click()
    page.get_by_role("tab", name="Words").click()
    expect(page.locator("#words-hint")).to_contain_text("names classes. Choose one that captions")
