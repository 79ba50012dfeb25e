"""On a GPU the answers are those of the CPU. Run with `pytest -m cuda` where there is one."""

import pytest
import torch

from convscope.engine import attribute
from convscope.engine.attribution.methods import METHODS
from convscope.engine.models.catalogue import Catalogue
from convscope.engine.models.entry import Entry
from convscope.services.attribution.executor import Executor, Task, Work

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU"),
]
NETWORKS = ("resnet18", "densenet121", "vgg16")
CATALOGUE = Catalogue({name: Entry(name=name, source="torchvision", network=name) for name in NETWORKS})


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("network", NETWORKS)
def test_a_method_gives_on_the_gpu_what_it_gives_on_the_cpu(network: str, method: str) -> None:
    images = torch.randn(4, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    targets = [1, 281, 7, 999]
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    on_cpu = attribute(CATALOGUE.load(network).module, images, targets, method)
    on_gpu = attribute(CATALOGUE.load(network, device="cuda").module, images.cuda(), targets, method).cpu()
    assert on_cpu.abs().max() > 0
    assert (on_gpu - on_cpu).abs().max() < 1e-3 * on_cpu.abs().max()


def test_the_executor_takes_pictures_from_the_cpu_and_gives_arrays_back() -> None:
    model = CATALOGUE.load("resnet18", device="cuda")
    executor = Executor(max_batch=8)
    picture = torch.randint(0, 256, (3, 224, 224), dtype=torch.uint8)
    task = Task("grad_cam", METHODS["grad_cam"], METHODS["grad_cam"].parameters())
    try:
        result = executor.submit(Work(model, task, picture, 281, None)).result(60)
    finally:
        executor.close()
    assert result.values is not None
    assert result.values.shape == (7, 7)
    assert result.target == 281
