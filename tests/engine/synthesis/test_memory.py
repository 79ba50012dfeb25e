"""A long synthesis needs no more memory than a short one."""

from pathlib import Path

from convscope.engine.models.model import Model
from convscope.engine.synthesis.class_visualization import class_visualization
from convscope.engine.synthesis.recipes import RECIPES
from tests.engine.reference import Load
from tests.engine.synthesis.tiny_network import resized


def resident() -> int:
    """Of this process, bytes."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * 4096


def test_steps_do_not_grow_the_process(load: Load) -> None:
    model: Model = resized(load("squeezenet1_1"), 64, 64)
    synthesis = class_visualization(model, [1], RECIPES["olah2017"].parameters)
    for _ in range(60):
        synthesis.advance()
    before = resident()
    for _ in range(300):
        synthesis.advance()
    # A picture of 64 x 64 is 48 KB and the graph of a step some megabytes: were no more than the picture of each step
    # kept, 300 steps would add 14 MB. The allocator's own ups and downs are one or two.
    assert resident() - before < 8_000_000
