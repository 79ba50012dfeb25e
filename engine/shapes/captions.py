"""What a scene shows, in one sentence."""

from convscope.engine.shapes.scene import Scene, Thing


def caption(scene: Scene) -> str:
    """The one right sentence: one thing by itself; two by how they lie, the left or upper one first; more in a row."""
    return " ".join(word for word, _ in words(scene))


def words(scene: Scene) -> list[tuple[str, int | None]]:
    """The words of the caption, each with the place in `scene.things` of what it is about; None for words between."""
    said: list[tuple[str, int | None]] = []
    for thing in _order(scene):
        if said:
            said += [(word, None) for word in _between(scene).split()]
        said += [(word, scene.things.index(thing)) for word in thing.phrase.split()]
    return said


def _order(scene: Scene) -> list[Thing]:
    if len(scene.things) == 2 and not scene.in_a_row:
        return sorted(scene.things, key=lambda thing: thing.y)
    return list(scene.things)


def _between(scene: Scene) -> str:
    if len(scene.things) != 2:
        return "and"
    return "left of" if scene.in_a_row else "above"
