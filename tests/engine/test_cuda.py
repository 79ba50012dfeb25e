"""On a GPU the answers are those of the CPU. Run with `pytest -m cuda` where there is one."""

from collections.abc import Mapping
from typing import Any

import pytest
import torch

from convscope.engine import attribute
from convscope.engine.attribution.methods import METHODS
from convscope.engine.attribution.target import ClassTarget
from convscope.engine.models.catalogue import Catalogue
from convscope.engine.models.entry import Entry
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
