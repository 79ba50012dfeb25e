"""The game on the page: rubbing, answering, and what the collection then has."""

import base64
import io
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from convscope.client import Annotation, AnnotationInfo, Answer, Caption, Client, Collection
from convscope.client.errors import NotFound
from convscope.web.attention.answers import same
from convscope.web.attention.attention_map import FINEST, attention_map, sharpness
from convscope.web.attention.brush import RADIUS, SMOOTHING, STRENGTH
from convscope.web.attention.questions import Questions
from tests.chaos.proxy import Proxies
from tests.e2e.local_cluster import Addresses
from tests.processes import wait_until
from tests.web.served import WebProcess
from tests.web.test_look_inside import choose

WIDTH, HEIGHT = 240, 160
ANSWERER = "shapes_vqa"
LEFT, RIGHT = (0.2, 0.4), (0.8, 0.6)
"""Places, in parts of the picture's width and height."""
Place = tuple[float, float]
PAINTED = """canvas => new Promise((done) =>
    requestAnimationFrame(() => requestAnimationFrame(() => done(canvas.toDataURL()))))"""


@pytest.fixture
def asked(client: Client, cat: str) -> Iterator[Collection]:
    """Two questions about a picture that is no square, and a caption of it, which is none."""
    made = client.create_collection("Asked about")
    file = io.BytesIO()
    with Image.open(cat) as picture:
        picture.resize((WIDTH, HEIGHT)).save(file, "PNG")
    made.upload(file.getvalue())
    made.annotate(
        [
            Annotation("q1", 0, Answer("what is it?", "cat")),
            Annotation("q2", 0, Answer("how many ears are there?", "2")),
            Annotation("caption", 0, Caption("a cat")),
        ]
    )
    yield made
    delete(made)


def delete(collection: Collection) -> None:
    try:
        collection.delete()
    except NotFound:
        return  # a test has done so


def opened(page: Page) -> Page:
    """The tab, once it has a question."""
    page.get_by_role("tab", name="Where people look").click()
    return asks(page, "What is it?")


def asks(page: Page, question: str) -> Page:
    expect(page.get_by_role("heading", name=question)).to_be_visible()
    expect(page.get_by_role("application", name=question)).to_be_visible()
    wait_until(lambda: bool(pixels(canvas(page)).any()), "the picture is painted", 30)
    return page


def canvas(page: Page) -> Locator:
    return page.locator("#rubbing canvas")


def pixels(drawn: Locator) -> np.ndarray:
    """What is painted once all that has happened is, [H, W, 3], of the picture's size."""
    url = drawn.evaluate(PAINTED)
    with Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) as picture:
        return np.asarray(picture.convert("RGB").resize((WIDTH, HEIGHT)), np.float64)


def rub(page: Page, *way: Place) -> None:
    """With the mouse held down, from each place to the next; then it leaves the picture."""
    canvas(page).scroll_into_view_if_needed()
    box = canvas(page).bounding_box()
    assert box is not None
    on_page = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in way]
    page.mouse.move(*on_page[0])
    page.mouse.down()
    for place in on_page:
        page.mouse.move(*place, steps=8)
    page.mouse.up()
    page.mouse.move(0, 0)


def around(place: Place) -> tuple[slice, slice]:
    """The pixels near a place."""
    x, y = round(place[0] * WIDTH), round(place[1] * HEIGHT)
    return slice(y - 4, y + 5), slice(x - 4, x + 5)


def answer(page: Page, words: str) -> None:
    page.get_by_label("Your answer").fill(words)
    page.get_by_role("button", name="Save", exact=True).click()


def told(page: Page) -> Locator:
    """Whether it was right."""
    return page.locator("#attention-outcome h3")


def counts(collection: Collection) -> list[int]:
    """Of maps, a question each."""
    return [info.attention_map_count for info in collection.annotations()]


def test_where_somebody_rubbed_is_kept_and_the_next_question_comes(page: Page, asked: Collection) -> None:
    opened(page)
    expect(page.locator("#attention-hint")).to_contain_text("0 of 2 questions")
    rub(page, LEFT, (0.3, 0.4))
    answer(page, "A cat!")
    expect(told(page)).to_contain_text("Right: cat")

    expect(page.locator("#attention-hint")).to_contain_text("1 of 2 questions")
    files = asked.annotation("q1")
    assert list(files.attention_maps) == [1]
    kept = files.attention_maps[1]
    assert kept.shape == (HEIGHT, WIDTH)
    assert kept.max() == 1
    assert kept[around(LEFT)].min() > 0.5
    assert kept[around(RIGHT)].max() == 0
    with Image.open(io.BytesIO(files.attention_files[1])) as file:
        assert (file.format, file.mode) == ("PNG", "L")

    link = page.get_by_role("link", name="q1_1.png")
    assert link.get_attribute("download") == "q1_1.png"
    url = link.get_attribute("href")
    assert url is not None
    assert base64.b64decode(url.partition(",")[2]) == files.attention_files[1]

    page.get_by_role("button", name="Next question").click()
    asks(page, "How many ears are there?")
    expect(page.locator("#attention-hint")).to_contain_text("1 of 2 questions")
    expect(page.get_by_label("Your answer")).to_have_value("")
    expect(told(page)).to_have_count(0)
    assert counts(asked) == [1, 0, 0]


def test_what_is_rubbed_is_sharp_and_the_rest_stays_blurred(page: Page, asked: Collection) -> None:
    opened(page)
    sharp = np.asarray(asked.image(0), np.float64)
    blurred = pixels(canvas(page))
    rub(page, *[LEFT, (0.25, 0.45)] * 3)
    wait_until(lambda: not np.array_equal(pixels(canvas(page)), blurred), "something is painted", 30)
    rubbed = pixels(canvas(page))

    def lacks(painted: np.ndarray, place: Place) -> float:
        return float(np.abs(painted - sharp)[around(place)].mean())

    assert lacks(rubbed, LEFT) < 0.3 * lacks(blurred, LEFT)
    np.testing.assert_array_equal(rubbed[around(RIGHT)], blurred[around(RIGHT)])
    page.get_by_role("button", name="Start over").click()
    page.get_by_label("Your answer").focus()
    wait_until(lambda: np.array_equal(pixels(canvas(page)), blurred), "all is blurred again", 30)


def test_a_pointer_that_rests_goes_on_rubbing(page: Page, asked: Collection) -> None:
    opened(page)
    sharp = np.asarray(asked.image(0), np.float64)
    box = canvas(page).bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + LEFT[0] * box["width"], box["y"] + LEFT[1] * box["height"])
    page.mouse.down()
    y, x = round(LEFT[1] * HEIGHT), round(LEFT[0] * WIDTH)
    wait_until(lambda: bool(np.abs(pixels(canvas(page)) - sharp)[y, x].max() < 6), "the place is sharp", 30)
    page.mouse.up()


def test_nothing_is_kept_of_an_empty_rub_or_an_empty_answer(page: Page, asked: Collection) -> None:
    opened(page)
    answer(page, "cat")
    expect(page.get_by_text("Rub the picture where the answer is to be seen")).to_be_visible()
    rub(page, RIGHT)
    answer(page, "  ")
    expect(page.get_by_text("Type the answer that you found")).to_be_visible()
    assert counts(asked) == [0, 0, 0]
    # What was rubbed is still there.
    answer(page, "dog")
    expect(told(page)).to_contain_text("Not right: you said dog, it is cat")
    assert asked.annotation("q1").attention_maps[1][around(RIGHT)].min() > 0.3


def test_by_keyboard_alone(page: Page, asked: Collection) -> None:
    opened(page)
    canvas(page).focus()
    # From the middle, each time by three quarters of a dab's radius.
    for _ in range(4):
        page.keyboard.press("ArrowLeft")
    for _ in range(6):
        page.keyboard.press("Space")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Your answer")).to_be_focused()
    page.keyboard.type("cat")
    page.keyboard.press("Enter")
    expect(told(page)).to_contain_text("Right: cat")
    kept = asked.annotation("q1").attention_maps[1]
    y, x = np.unravel_index(kept.argmax(), kept.shape)
    assert math.hypot(x - (WIDTH / 2 - 4 * 0.75 * RADIUS * WIDTH), y - HEIGHT / 2) < 3
    expect(page.get_by_role("button", name="Next question")).to_be_focused()
    page.keyboard.press("Enter")
    asks(page, "How many ears are there?")
    expect(canvas(page)).to_be_focused()


def test_with_a_finger(page: Page, asked: Collection) -> None:
    opened(page)
    canvas(page).scroll_into_view_if_needed()
    box = canvas(page).bounding_box()
    assert box is not None
    device = page.context.new_cdp_session(page)

    def touch(kind: str, *places: Place) -> None:
        points = [{"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]} for x, y in places]
        device.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", LEFT)
    # Down the picture, which scrolls the page anywhere else.
    touch("touchMove", (0.2, 0.6))
    touch("touchEnd")
    answer(page, "cat")
    expect(told(page)).to_contain_text("Right")
    kept = asked.annotation("q1").attention_maps[1]
    assert min(kept[around(LEFT)].max(), kept[around((0.2, 0.6))].max()) > 0.3
    assert kept[around(RIGHT)].max() == 0


def test_each_who_looks_gets_a_number_of_his_own(
    cluster: Addresses, visitor: Callable[..., Page], asked: Collection
) -> None:
    one = opened(visitor(cluster.page))
    other = asks(visitor(f"{cluster.page}/?tab=where-people-look", width=400, dark=True), "What is it?")
    for page, place in ((one, LEFT), (other, RIGHT)):
        rub(page, place)
        answer(page, "cat")
        expect(told(page)).to_contain_text("Right")
    maps = asked.annotation("q1").attention_maps
    assert list(maps) == [1, 2]
    assert all(maps[number][around(place)].max() > 0.5 for number, place in ((1, LEFT), (2, RIGHT)))
    assert other.evaluate("document.documentElement.scrollWidth") <= 400


def test_a_question_can_be_skipped(page: Page, asked: Collection) -> None:
    opened(page)
    rub(page, LEFT)
    page.get_by_role("button", name="Skip").click()
    asks(page, "How many ears are there?")
    page.get_by_role("button", name="Skip").click()
    asks(page, "What is it?")
    answer(page, "cat")
    expect(page.get_by_text("Rub the picture where the answer is to be seen")).to_be_visible()
    assert counts(asked) == [0, 0, 0]


def test_what_was_rubbed_outlasts_another_tab_and_another_model(page: Page, asked: Collection) -> None:
    opened(page)
    rub(page, LEFT)
    before = pixels(canvas(page))
    page.get_by_role("tab", name="Explain").click()
    choose(page, "model", ANSWERER)
    page.get_by_role("tab", name="Where people look").click()
    page.get_by_role("button", name="Refresh").click()
    expect(page.get_by_role("heading", name="What is it?")).to_be_visible()
    np.testing.assert_array_equal(pixels(canvas(page)), before)
    answer(page, "cat")
    expect(told(page)).to_contain_text("Right")


def test_a_collection_that_is_gone_is_told_and_what_was_rubbed_stays(page: Page, asked: Collection) -> None:
    opened(page)
    rub(page, LEFT)
    before = pixels(canvas(page))
    asked.delete()
    answer(page, "cat")
    expect(page.get_by_text(f"{asked.name}").first).to_be_visible()
    expect(page.get_by_role("heading", name="What is it?")).to_be_visible()
    np.testing.assert_array_equal(pixels(canvas(page)), before)


def test_a_cluster_that_goes_and_comes_takes_what_was_rubbed_before(
    cluster: Addresses, visitor: Callable[..., Page], asked: Collection
) -> None:
    proxies = Proxies()
    try:
        way = proxies.open(int(cluster.server.rpartition(":")[2]))
        with WebProcess("--server", way.address) as web:
            page = opened(visitor(web.page))
            rub(page, LEFT)
            way.cut()
            expect(page.get_by_text("No convscope cluster answers")).to_be_visible()
            answer(page, "cat")
            expect(page.get_by_text("The cluster does not answer")).to_be_visible()
            assert counts(asked) == [0, 0, 0]
            way.heal()
            expect(page.get_by_text("No convscope cluster answers")).to_have_count(0)
            answer(page, "cat")
            expect(told(page)).to_contain_text("Right: cat")
    finally:
        proxies.close()
    assert asked.annotation("q1").attention_maps[1][around(LEFT)].max() > 0.5


def test_pictures_are_made_where_there_are_none_and_the_network_is_shown_beside(page: Page, client: Client) -> None:
    client.load_model(ANSWERER)
    page.get_by_role("tab", name="Where people look").click()
    expect(page.locator("#attention-hint")).to_contain_text("Nothing is asked about the pictures")
    page.get_by_role("button", name="Make pictures with questions").click()
    expect(page.locator("#attention-hint")).to_contain_text("0 of 24 questions")
    (made,) = (one for one in client.collections() if one.annotation_count == 24)
    try:
        expect(page.get_by_role("button", name="Make pictures with questions")).to_be_hidden()
        choose(page, "model", ANSWERER)
        first = next(made.annotations())
        assert isinstance(first.target, Answer)
        assert first.target.answer is not None
        rub(page, LEFT, RIGHT)
        answer(page, first.target.answer)
        shown = page.locator("#attention-outcome").get_by_role("listitem")
        expect(shown).to_have_count(2)
        expect(told(page)).to_contain_text(f"Right: {first.target.answer}")
        network = client.attribute(
            made.image(first.image_number), model=ANSWERER, method="grad_cam", target=first.target
        )
        assert shown.locator(".caption").all_inner_texts() == ["You", ANSWERER]
        expect(shown.last).to_contain_text(f"Grad-CAM for {network.target_name}")
        assert made.annotation(first.id).attention_maps[1].shape == (64, 64)
    finally:
        delete(made)


def test_a_model_that_answers_nothing_is_not_asked(page: Page, asked: Collection) -> None:
    opened(page)
    rub(page, LEFT)
    answer(page, "cat")
    expect(page.locator("#attention-outcome")).to_contain_text("Choose a model that answers questions")
    expect(page.locator("#attention-outcome").get_by_role("listitem")).to_have_count(1)


def test_an_answer_that_the_network_does_not_know_is_told_and_the_map_kept(
    page: Page, client: Client, asked: Collection
) -> None:
    client.load_model(ANSWERER)
    choose(page, "model", ANSWERER)
    opened(page)
    rub(page, LEFT)
    answer(page, "cat")
    expect(page.locator("#attention-outcome")).to_contain_text("Unknown word")
    expect(told(page)).to_contain_text("Right: cat")
    assert counts(asked) == [1, 0, 0]


def slow_map(dabs: Sequence[Place], width: int, height: int) -> np.ndarray:
    """Pixel by pixel: what each dab leaves lacking; the mean of that under a Gaussian; the brightest is white."""
    reach, sigma = RADIUS * max(width, height), SMOOTHING * max(width, height)
    sharp = np.zeros((height, width))
    for row in range(height):
        for column in range(width):
            lacking = 1.0
            for x, y in dabs:
                far = math.hypot(column + 0.5 - x, row + 0.5 - y)
                lacking *= 1 - STRENGTH * max(0.0, 1 - far / reach)
            sharp[row, column] = 1 - lacking
    smooth = np.zeros((height, width))
    for row in range(height):
        for column in range(width):
            weights = [
                [math.exp(-((other - row) ** 2 + (beside - column) ** 2) / (2 * sigma**2)) for beside in range(width)]
                for other in range(height)
            ]
            smooth[row, column] = np.average(sharp, weights=np.array(weights))
    brightest: np.ndarray = 255 * smooth / smooth.max()
    return brightest


def test_the_map_is_what_a_slow_one_is() -> None:
    dabs = [(3.0, 4.5), (4.0, 5.0), (30.2, 0.0), (30.2, 0.0), (39.9, 23.9)]
    size = (40, 24)
    drawn = attention_map(sharpness(np.array(dabs), size), size)
    np.testing.assert_allclose(np.asarray(drawn), slow_map(dabs, *size), atol=0.51)


def test_a_large_picture_has_the_map_of_a_small_one_enlarged() -> None:
    small, large = (FINEST, FINEST // 2), (4 * FINEST, 2 * FINEST)
    dabs = np.array([(100.0, 80.0), (130.0, 90.0), (500.0, 250.0)])
    one = attention_map(sharpness(dabs, small), small)
    other = attention_map(sharpness(4 * dabs, large), large)
    assert other.size == large
    np.testing.assert_allclose(np.asarray(other.resize(small, Image.Resampling.BOX)), np.asarray(one), atol=2)


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (500, 1)])
def test_every_picture_has_a_map(size: tuple[int, int]) -> None:
    """However small, and of a dab in its last corner or beside it."""
    for dab in (size, (-50.0, 1e9)):
        assert np.asarray(attention_map(sharpness(np.array([dab], np.float64), size), size)).max() == 255


@pytest.mark.parametrize(
    ("given", "truth", "right"),
    [
        ("Red", "red", True),
        ("the red circle.", "red circle", True),
        ("three", "3", True),
        ("3", "4", False),
        ("not red", "red", False),
        ("a", "the", False),
    ],
)
def test_answers_are_compared_as_vqa_does(given: str, truth: str, right: bool) -> None:
    assert same(given, truth) is right


def test_the_next_question_is_one_with_the_fewest_maps_behind_the_last() -> None:
    def after(before: str | None, *maps: int) -> str | None:
        infos = tuple(AnnotationInfo(f"q{place}", 0, Answer("?"), False, count) for place, count in enumerate(maps))
        found = Questions(infos).after(before)
        return found.id if found else None

    assert after(None) is None
    assert after(None, 1, 0, 0) == "q1"
    assert after("q1", 1, 0, 0) == "q2"
    assert after("q2", 1, 0, 0) == "q1"
    assert after("q1", 1, 0) == "q0"
    assert after("q0", 5) == "q0"
    assert after("gone", 2, 1) == "q1"
