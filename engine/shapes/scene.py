"""What a picture shows: things at places."""

from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from math import hypot

import numpy as np

from convscope.engine.shapes.vocabulary import COLORS, MOST, SHAPES, SIZES

SIDE = 64
"""Of a picture, pixels."""
GAP = 3.0
"""Between two things at least, pixels."""
CLEAR = 6.0
"""By which what is said to be left of another is, and by which a diagonal is decided, pixels."""

_COLORS = tuple(COLORS)


@dataclass(frozen=True)
class Thing:
    """One object. Its place is in pixels from the upper left corner."""

    shape: str
    color: str
    size: str
    x: float
    y: float
    radius: float
    """Of the circle around it."""

    @property
    def phrase(self) -> str:
        """With its article; of the size only `small` is said."""
        return f"a {'small ' if self.size == 'small' else ''}{self.color} {self.shape}"


@dataclass(frozen=True)
class Scene:
    """One to four things, from left to right, that do not touch each other."""

    things: tuple[Thing, ...]
    texture: int
    """Seed of the background."""

    @property
    def in_a_row(self) -> bool:
        """Whether one is said to be left of the next; of two things one may be above the other."""
        if len(self.things) != 2:
            return True
        left, right = self.things
        return right.x - left.x > abs(right.y - left.y)

    @property
    def largest(self) -> Thing:
        return max(self.things, key=lambda thing: thing.radius)


def make_scene(rng: np.random.Generator, *, large: int | None = None) -> Scene:
    """A scene at random whose relations can be seen: no two things are nearly in one column, and of two neither is
    nearly on the other's diagonal.

    large: how many of its things are large; None: any number.
    """
    count = int(rng.integers(1, MOST + 1))
    many = int(rng.integers(count + 1)) if large is None else min(large, count)
    sizes = ["large"] * many + ["small"] * (count - many)
    radii = [float(rng.uniform(*SIZES[size])) for size in sizes]
    while True:
        places = [(float(x), float(y)) for x, y in rng.random((count, 2))]
        things = sorted(
            (_thing(size, radius, at) for size, radius, at in zip(sizes, radii, places, strict=True)), key=_x
        )
        if _apart(things) and _clear(things):
            break
    named = (
        replace(thing, shape=SHAPES[rng.integers(len(SHAPES))], color=_COLORS[rng.integers(len(_COLORS))])
        for thing in things
    )
    return Scene(tuple(named), int(rng.integers(1 << 31)))


def _thing(size: str, radius: float, at: tuple[float, float]) -> Thing:
    """Somewhere in the picture, whole; at: 0 to 1."""
    x, y = (radius + 1 + part * (SIDE - 2 * radius - 2) for part in at)
    return Thing("", "", size, x, y, radius)


def _x(thing: Thing) -> float:
    return thing.x


def _apart(things: list[Thing]) -> bool:
    return all(
        hypot(one.x - other.x, one.y - other.y) > one.radius + other.radius + GAP
        for one, other in combinations(things, 2)
    )


def _clear(things: list[Thing]) -> bool:
    if len(things) == 2:
        one, other = things
        return abs(abs(one.x - other.x) - abs(one.y - other.y)) >= CLEAR
    return all(right.x - left.x >= CLEAR for left, right in pairwise(things))
