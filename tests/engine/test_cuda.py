"""On a GPU the answers are those of the CPU. Run with `pytest -m cuda` where there is one."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from convscope.engine import attribute
from convscope.engine.attribution.methods import METHODS
from convscope.engine.attribution.target import ClassTarget, UnitTarget
from convscope.engine.models.catalogue import Catalogue
from convscope.engine.models.entry import Entry
from convscope.engine.synthesis.adversarial import adversarial
from convscope.engine.synthesis.channel_visualization import channel_visualization
from convscope.engine.synthesis.class_visualization import class_visualization
from convscope.engine.synthesis.deep_dream import deep_dream
from convscope.engine.synthesis.feature_inversion import feature_inversion
from convscope.engine.synthesis.parameters import AdversarialParameters, DeepDreamParameters, SynthesisParameters
from convscope.engine.synthesis.recipes import INVERSIONS, RECIPES
from convscope.services.attribution.executor import Executor
from convscope.services.attribution.work import Ask, Task, Work

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU"),
]
NETWORKS = ("resnet18", "densenet121", "vgg16")
CATALOGUE = Catalogue({name: Entry(name=name, source="torchvision", network=name) for name in NETWORKS})


SHORT: Mapping[str, Any] = {"steps": 8, "samples": 4, "masks": 16, "window": 64, "stride": 32}


@pytest.mark.parametrize("method", [method for method in METHODS if method != "attention_rollout"])
@pytest.mark.parametrize("network", NETWORKS)
def test_a_method_gives_on_the_gpu_what_it_gives_on_the_cpu(network: str, method: str) -> None:
    # In double precision: the two round differently, and a ReLU that turns over is seen in a gradient.
    images = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    targets = [1, 281]
    fields = METHODS[method].parameters.model_fields
    parameters = {name: value for name, value in SHORT.items() if name in fields}
    module = CATALOGUE.load(network).module.double()
    on_cpu = attribute(module, images, targets, method, **parameters)
    on_gpu = attribute(module.cuda(), images.cuda(), targets, method, **parameters).cpu()
    assert on_cpu.abs().max() > 0
    assert (on_gpu - on_cpu).abs().max() < 1e-5 * on_cpu.abs().max()


def test_the_executor_takes_pictures_from_the_cpu_and_gives_arrays_back() -> None:
    model = CATALOGUE.load("resnet18", device="cuda")
    executor = Executor(max_batch=8)
    picture = torch.randint(0, 256, (3, 224, 224), dtype=torch.uint8)
    method = METHODS["grad_cam"]
    task = Task((Ask("grad_cam", method, method.parameters(), "layer4"),))
    try:
        result = executor.submit(Work(model, task, picture, (ClassTarget((281,)),))).result(60)
    finally:
        executor.close()
    (answer,) = result.answers
    assert answer.values.shape == (1, 7, 7)
    assert answer.target == ClassTarget((281,))


@pytest.mark.parametrize("network", NETWORKS)
def test_a_synthesis_goes_on_from_its_checkpoint_on_the_gpu(network: str) -> None:
    model = CATALOGUE.load(network, device="cuda")
    parameters = SynthesisParameters(
        steps=6, step_size=350.0, momentum=0.5, l2=9e-7, jitter=32, gradient_blur=1.0, normalization="norm"
    )
    undisturbed = class_visualization(model, [1, 281], parameters)
    for _ in range(3):
        undisturbed.advance()
    taken_up = class_visualization(model, [1, 281], parameters, checkpoint=undisturbed.checkpoint())
    for synthesis in (undisturbed, taken_up):
        while synthesis.step < synthesis.total:
            synthesis.advance()
    assert undisturbed.progress().scores[0] > undisturbed.history()["scores"][0][0]
    np.testing.assert_allclose(taken_up.values(), undisturbed.values(), atol=1e-2)


def test_a_dream_on_the_gpu_takes_the_first_step_of_one_on_the_cpu() -> None:
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8))
    parameters = DeepDreamParameters(layer="layer3", steps=1, octaves=1, jitter=4)
    values = []
    for device in ("cpu", "cuda"):
        dream = deep_dream(CATALOGUE.load("resnet18", device=device), picture, parameters)
        dream.advance()
        values.append(dream.values())
    assert np.abs(values[0] - values[1]).mean() < 0.1 * 1.5 / 255, "a tenth of the step"


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_starts_on_the_gpu_where_it_starts_on_the_cpu_and_goes_on(name: str) -> None:
    """All that is random is drawn on the CPU; what is scored first differs by rounding, a thousandth at most."""
    parameters = RECIPES[name].with_overrides({"steps": 6})
    seen = []
    for device in ("cpu", "cuda"):
        synthesis = class_visualization(CATALOGUE.load("resnet18", device=device), [1, 281], parameters)
        values = synthesis.values()
        for _ in range(3 if device == "cuda" else 1):
            synthesis.advance()
        seen.append((values, synthesis.history()["scores"][0]))
        if device == "cuda":
            resumed = class_visualization(
                CATALOGUE.load("resnet18", device=device), [1, 281], parameters, checkpoint=synthesis.checkpoint()
            )
            for _ in resumed:
                pass
            assert np.isfinite(resumed.values()).all()
    np.testing.assert_allclose(seen[0][0], seen[1][0], atol=1e-4)
    np.testing.assert_allclose(seen[0][1], seen[1][1], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", INVERSIONS)
def test_features_are_those_of_the_cpu(name: str) -> None:
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (256, 300, 3), dtype=np.uint8))
    parameters = INVERSIONS[name].with_overrides({"steps": 4})
    distances = []
    for device in ("cpu", "cuda"):
        model = CATALOGUE.load("resnet18", device=device)
        inversion = feature_inversion(model, picture, ["layer2", "layer4"], parameters)
        distances.append([one["distance"] for one in inversion.results()])
        for _ in inversion:
            pass
        assert np.isfinite(inversion.progress().loss)
    # Of the starts: two ways to round the same sums.
    np.testing.assert_allclose(distances[0], distances[1], rtol=1e-3)


def test_units_of_two_layers_on_the_gpu() -> None:
    units = [UnitTarget("layer3", 1), UnitTarget("layer4", 2, (1, 1))]
    parameters = RECIPES["olah2017"].with_overrides({"steps": 3, "copies": 2, "diversity": 1.0})
    made = channel_visualization(CATALOGUE.load("resnet18", device="cuda"), units, parameters)
    for _ in made:
        pass
    assert np.isfinite(made.progress().scores).all()


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"attack": "fgsm"},
        {"norm": "l2", "epsilon": 1.0, "restarts": 2},
        {"attack": "deepfool"},
        {"attack": "ascent"},
    ],
)
def test_an_attack_on_the_gpu_keeps_its_bounds(values: dict[str, Any]) -> None:
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (256, 300, 3), dtype=np.uint8))
    parameters = AdversarialParameters.parse({"steps": 4, **values})
    model = CATALOGUE.load("resnet18", device="cuda")
    attack = adversarial(model, picture, None, parameters)
    for _ in attack:
        pass
    told = attack.outcome()
    assert told["steps"] == attack.step
    if parameters.attack in {"pgd", "fgsm"}:
        assert told[parameters.norm] <= parameters.epsilon * (1 + 1e-6)
    resumed = adversarial(model, picture, None, parameters, attack.checkpoint())
    assert resumed.outcome()["linf"] == told["linf"]
