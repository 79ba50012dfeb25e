"""What a scene shows, in one sentence."""

from convscope.engine.shapes.scene import Scene


def caption(scene: Scene) -> str:
    """The one right sentence: one thing by itself; two by how they lie, the left or upper one first; more in a row."""
    if len(scene.things) != 2:
        return " and ".join(thing.phrase for thing in scene.things)
    if scene.in_a_row:
        return " left of ".join(thing.phrase for thing in scene.things)
    upper_first = sorted(scene.things, key=lambda thing: thing.y)
    return " above ".join(thing.phrase for thing in upper_first)
