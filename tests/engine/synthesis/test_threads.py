"""Syntheses on one network from several threads at once."""

import threading
from collections.abc import Callable

import pytest
from PIL import Image

from convscope.engine.attribution.target import UnitTarget
from convscope.engine.models.model import Model
from convscope.engine.synthesis.adversarial import adversarial
from convscope.engine.synthesis.channel_visualization import channel_visualization
from convscope.engine.synthesis.class_visualization import class_visualization
from convscope.engine.synthesis.deep_dream import deep_dream
from convscope.engine.synthesis.feature_inversion import feature_inversion
from convscope.engine.synthesis.parameters import AdversarialParameters, DeepDreamParameters
from convscope.engine.synthesis.recipes import INVERSIONS, RECIPES
from convscope.engine.synthesis.synthesis import Synthesis


@pytest.mark.parametrize("round_", range(2))
def test_each_thread_gets_what_it_gets_alone(tiny: Model, photographs: dict[str, Image.Image], round_: int) -> None:
    """Layers end passes, ReLUs are redirected, and gradients are on: all of it in one thread alone."""
    small = photographs["chelsea"].resize((64, 48))
    olah = RECIPES["olah2017"].with_overrides({"steps": 30, "seed": round_})
    kinds: list[Callable[[], Synthesis]] = [
        lambda: class_visualization(tiny, [1, 2], olah),
        lambda: channel_visualization(tiny, [UnitTarget("4", 1), UnitTarget("10", 2)], olah),
        lambda: feature_inversion(tiny, small, ["7"], INVERSIONS["mahendran2015"].with_overrides({"steps": 30})),
        lambda: deep_dream(tiny, small, DeepDreamParameters(layer="7", steps=10, octaves=2)),
        lambda: adversarial(tiny, small, None, AdversarialParameters(steps=20, confidence=0.999)),
    ]
    alone = [finished(kind()) for kind in kinds]
    together: dict[int, bytes] = {}
    begin = threading.Barrier(len(kinds))

    def work(place: int) -> None:
        begin.wait()
        together[place] = finished(kinds[place]())

    threads = [threading.Thread(target=work, args=(place,)) for place in range(len(kinds))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [together.get(place) == values for place, values in enumerate(alone)] == [True] * len(kinds)


def finished(synthesis: Synthesis) -> bytes:
    for _ in synthesis:
        pass
    return synthesis.values().tobytes()
