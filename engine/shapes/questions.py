"""Questions about a scene, with their answers and the things that the answer depends on."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from convscope.engine.shapes.scene import Scene
from convscope.engine.shapes.vocabulary import COLORS, SHAPES


@dataclass(frozen=True)
class Question:
    """One that has one answer."""

    kind: str
    """color, shape, count, exists or left."""
    text: str
    answer: str
    evidence: tuple[int, ...]
    """Places in `scene.things` of what has to be seen for the answer; empty where it is that nothing is there."""


def questions(scene: Scene) -> list[Question]:
    """Every question about a scene."""
    return [*_attributes(scene), *_counts(scene), *_existence(scene), *_neighbors(scene)]


def ask(scene: Scene, rng: np.random.Generator) -> Question:
    """One at random: each kind that can be asked as often as the others, each answer of it as often as the others."""
    return choose(questions(scene), rng)


def choose(every: Sequence[Question], rng: np.random.Generator) -> Question:
    """As ask(), of all that can be asked."""
    kind = rng.choice(sorted({question.kind for question in every}))
    of_kind = [question for question in every if question.kind == kind]
    answer = rng.choice(sorted({question.answer for question in of_kind}))
    fitting = [question for question in of_kind if question.answer == answer]
    return fitting[int(rng.integers(len(fitting)))]


def _attributes(scene: Scene) -> Iterator[Question]:
    """Of what there is one of."""
    shapes, colors = Counter(thing.shape for thing in scene.things), Counter(thing.color for thing in scene.things)
    for place, thing in enumerate(scene.things):
        if shapes[thing.shape] == 1:
            yield Question("color", f"what color is the {thing.shape}", thing.color, (place,))
        if colors[thing.color] == 1:
            yield Question("shape", f"what shape is the {thing.color} thing", thing.shape, (place,))


def _counts(scene: Scene) -> Iterator[Question]:
    for shape in SHAPES:
        places = tuple(place for place, thing in enumerate(scene.things) if thing.shape == shape)
        yield Question("count", f"how many {shape}s are there", str(len(places)), places)


def _existence(scene: Scene) -> Iterator[Question]:
    for color in COLORS:
        for shape in SHAPES:
            places = tuple(
                place for place, thing in enumerate(scene.things) if (thing.color, thing.shape) == (color, shape)
            )
            yield Question("exists", f"is there a {color} {shape}", "yes" if places else "no", places)


def _neighbors(scene: Scene) -> Iterator[Question]:
    """The next one to the left: things stand in that order."""
    shapes = Counter(thing.shape for thing in scene.things)
    for place, thing in enumerate(scene.things[1:], 1):
        left = scene.things[place - 1]
        if shapes[thing.shape] == 1 and scene.in_a_row:
            yield Question("left", f"what shape is left of the {thing.shape}", left.shape, (place - 1, place))
