"""A forward pass over many copies of one picture, computed only where a copy differs.

Occlusion asks for the scores of hundreds of copies of a picture, each with a small patch laid over it somewhere. Near
the input, all but a few pixels of every activation are those of the undisturbed picture; how many are not grows with
every layer. Nakandala, Kumar and Papakonstantinou 2019, "Incremental and Approximate Inference for Faster
Occlusion-based Deep CNN Explanations" (Krypton), whose exact part this is.

    region.py   where a map has changed, and what that changes behind the next layer
    stack.py    the changed parts of a map, cut out of K copies of it
    rules.py    which layers can be computed on parts of their input, and how
    network.py  a network as a list of such steps
    groups.py   which copies are computed together
    forward.py  the pass
"""

from convscope.engine.incremental.forward import IncrementalForward, patched_copies

__all__ = ["IncrementalForward", "patched_copies"]
