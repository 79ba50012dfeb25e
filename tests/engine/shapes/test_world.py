"""The small world is what it says it is: by the pixels, and by asking again with another world."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from convscope.engine.shapes.captions import caption
from convscope.engine.shapes.dataset import ShapesDataset, Task
from convscope.engine.shapes.painting import paint
from convscope.engine.shapes.questions import Question, questions
from convscope.engine.shapes.scene import SIDE, Scene, Thing
from convscope.engine.shapes.vocabulary import ANSWERS, CAPTION_WORDS, COLORS, LABELS, QUESTION_WORDS, SHAPES, SIZES

MANY = 400
TASKS: tuple[Task, ...] = ("class", "caption", "question")
WORLD = ShapesDataset(MANY, task="question", seed=3)
SCENES = [WORLD.scene(place) for place in range(MANY)]


def seen(image: NDArray[np.uint8], mask: NDArray[np.bool_]) -> tuple[str, float, float, float]:
    """Of one thing, from its pixels alone: color, x, y of its middle, and the part of its circle that it fills."""
    inside = ndimage.binary_erosion(mask)
    mean = image[inside].mean(0)
    color = min(COLORS, key=lambda name: float(np.abs(mean - COLORS[name]).sum()))
    y, x = ndimage.center_of_mass(mask)
    return color, x + 0.5, y + 0.5, mask.sum()


def test_the_pixels_are_those_of_the_scene() -> None:
    for scene in SCENES:
        painting = paint(scene)
        image = np.asarray(painting.image)
        assert image.shape == (SIDE, SIDE, 3)
        assert painting.masks.shape == (len(scene.things), SIDE, SIDE)
        assert painting.masks.sum(0).max() == 1, "things do not overlap"
        for thing, mask in zip(scene.things, painting.masks, strict=True):
            color, x, y, area = seen(image, mask)
            assert color == thing.color
            # The middle of a triangle's or star's area is not that of its circle.
            assert np.hypot(x - thing.x, y - thing.y) < 0.3 * thing.radius
            # Areas of the unit circle, square, triangle and star.
            filled = {"circle": np.pi, "square": 2.0, "triangle": 1.299, "star": 1.323}[thing.shape]
            assert area == pytest.approx(filled * thing.radius**2, rel=0.2)


def test_each_mask_is_one_piece_and_bordered_by_the_background() -> None:
    for scene in SCENES[:100]:
        masks = paint(scene).masks
        for mask in masks:
            assert ndimage.label(mask, np.ones((3, 3)))[1] == 1
            grown = ndimage.binary_dilation(mask)
            assert not (grown & (masks.sum(0) > 0) & ~mask).any()
            assert not mask[[0, -1]].any()
            assert not mask[:, [0, -1]].any()


def test_no_color_can_be_guessed_from_the_background() -> None:
    """Backgrounds are muted: no pixel of them is as colourful as the least colourful of the colours, white aside."""

    def colorful(pixels: NDArray[np.uint8]) -> NDArray[np.int16]:
        wide = pixels.astype(np.int16)
        return wide.max(-1) - wide.min(-1)  # type: ignore[no-any-return]

    least = min(max(rgb) - min(rgb) for name, rgb in COLORS.items() if name != "white")
    for scene in SCENES[:100]:
        painting = paint(scene)
        around = ~ndimage.binary_dilation(painting.masks.any(0), iterations=2)
        assert colorful(np.asarray(painting.image)[around]).max() < least / 2
        assert np.asarray(painting.image)[around].std() > 3, "a texture, and not one colour"


def test_captions_say_what_is_seen() -> None:
    """Taken apart word by word and held against the pixels."""
    shown = Counter[str]()
    for scene in SCENES:
        masks = paint(scene).masks
        middles = [ndimage.center_of_mass(mask) for mask in masks]
        said = caption(scene)
        assert set(said.split()) <= set(CAPTION_WORDS)
        relation = next((word for word in (" left of ", " above ", " and ") if word in said), "")
        shown[relation] += 1
        phrases = said.split(relation) if relation else [said]
        assert sorted(phrases) == sorted(thing.phrase for thing in scene.things)
        order = [next(n for n, thing in enumerate(scene.things) if thing.phrase == phrase) for phrase in phrases]
        if len(set(phrases)) < len(phrases):
            continue
        if relation in (" left of ", " and "):
            assert all(middles[one][1] < middles[other][1] for one, other in pairwise(order))
        if relation == " left of ":
            (y, x), (other_y, other_x) = (middles[place] for place in order)
            assert other_x - x > abs(other_y - y)
        if relation == " above ":
            (y, x), (other_y, other_x) = (middles[place] for place in order)
            assert other_y - y > abs(other_x - x)
    assert min(shown.values()) > MANY / 20, shown


def with_another(scene: Scene, place: int, **changed: str) -> Scene:
    """The scene with one thing of another kind."""
    things = list(scene.things)
    things[place] = replace(things[place], **changed)  # type: ignore[arg-type]
    return replace(scene, things=tuple(things))


def answers(scene: Scene) -> dict[str, str]:
    found = {question.text: question.answer for question in questions(scene)}
    assert len(found) == len(questions(scene)), "no question is asked twice"
    return found


def test_another_evidence_gives_another_answer() -> None:
    for scene in SCENES[:100]:
        for question in questions(scene):
            words = question.text.split()
            for place in question.evidence:
                shape = scene.things[place].shape
                other = next(name for name in SHAPES if name != shape)
                if question.kind == "color":
                    for color in COLORS:
                        assert answers(with_another(scene, place, color=color))[question.text] == color
                if question.kind == "count":
                    fewer = answers(with_another(scene, place, shape=other))[question.text]
                    assert int(fewer) == int(question.answer) - 1
                if question.kind == "exists" and len(question.evidence) == 1:
                    assert answers(with_another(scene, place, shape=other))[question.text] == "no"
                if question.kind == "left" and place == question.evidence[0] and other != words[-1]:
                    assert answers(with_another(scene, place, shape=other))[question.text] == other


def by_hand(scene: Scene, question: Question) -> str:
    """The answer, worked out from the words."""
    words = question.text.split()
    things = list(scene.things)
    match question.kind:
        case "color":
            return next(thing.color for thing in things if thing.shape == words[-1])
        case "shape":
            return next(thing.shape for thing in things if thing.color == words[-2])
        case "count":
            return str(sum(f"{thing.shape}s" == words[2] for thing in things))
        case "exists":
            return "yes" if any((thing.color, thing.shape) == (words[-2], words[-1]) for thing in things) else "no"
        case "left":
            asked = next(thing for thing in things if thing.shape == words[-1])
            return max((thing for thing in things if thing.x < asked.x), key=lambda thing: thing.x).shape
    raise AssertionError(question.kind)


def test_answers_are_right() -> None:
    kinds = Counter[str]()
    for scene in SCENES:
        for question in questions(scene):
            kinds[question.kind] += 1
            assert question.answer == by_hand(scene, question), (scene, question)
            assert set(question.text.split()) <= set(QUESTION_WORDS)
            assert question.answer in ANSWERS
            assert len(set(question.evidence)) == len(question.evidence)
            assert all(0 <= place < len(scene.things) for place in question.evidence)
    assert kinds.keys() == {"color", "shape", "count", "exists", "left"}


def test_no_answer_can_be_guessed_from_the_kind_of_question() -> None:
    asked = [WORLD.target(place) for place in range(MANY)]
    assert all(isinstance(question, Question) for question in asked)
    of_kind: dict[str, Counter[str]] = {}
    for question in asked:
        assert isinstance(question, Question)
        of_kind.setdefault(question.kind, Counter())[question.answer] += 1
    assert all(sum(found.values()) > MANY / 10 for found in of_kind.values()), of_kind
    for found in of_kind.values():
        assert max(found.values()) < 0.65 * sum(found.values()), found


@pytest.mark.parametrize("task", TASKS)
def test_the_same_seed_makes_the_same_world_and_another_another(task: Task) -> None:
    one, again, other = (ShapesDataset(20, task=task, seed=seed) for seed in (1, 1, 2))
    for place in range(20):
        assert one.scene(place) == again.scene(place)
        assert one[place][0].tobytes() == again[place][0].tobytes()
        assert one.target(place) == again.target(place)
    assert [one.scene(place) for place in range(20)] != [other.scene(place) for place in range(20)]


def test_the_class_is_that_of_the_only_large_thing() -> None:
    world = ShapesDataset(MANY, task="class")
    found = Counter[int]()
    for place in range(MANY):
        scene, target = world.scene(place), world.target(place)
        (large,) = [thing for thing in scene.things if thing.size == "large"]
        assert isinstance(target, int)
        assert LABELS[target] == f"{large.color} {large.shape}"
        assert all(thing.radius < large.radius - 2 for thing in scene.things if thing is not large)
        found[target] += 1
    assert len(found) == len(LABELS)


def test_a_transform_and_the_edges_of_a_dataset() -> None:
    world = ShapesDataset(3, task="class", transform=lambda image: image.size)
    assert world[0][0] == (SIDE, SIDE)
    assert len(world) == 3
    assert world.scene(-1) == world.scene(2)
    for place in (3, -4, 10**9):
        with pytest.raises(IndexError, match="0 to 2"):
            world[place]
    assert len(ShapesDataset(0, task="caption")) == 0


@pytest.mark.parametrize(
    ("changed", "words"), [({"task": "draw"}, "task"), ({"count": -1}, "count"), ({"seed": -1}, "seed")]
)
def test_what_is_none_is_said(changed: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ShapesDataset(**{"count": 1, "task": "class", **changed})  # type: ignore[arg-type]


def test_phrases() -> None:
    small, large = (Thing("star", "red", size, 10, 10, radius) for size, (radius, _) in SIZES.items())
    assert (small.phrase, large.phrase) == ("a small red star", "a red star")
