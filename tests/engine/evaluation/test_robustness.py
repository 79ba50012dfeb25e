"""Sensitivity and infidelity, against Captum and by hand."""

import pytest
import torch
from captum.metrics import infidelity as captum_infidelity
from captum.metrics import sensitivity_max
from torch import Tensor, nn

from convscope.engine.attribution.attribute import attribute
from convscope.engine.errors import InvalidInput
from convscope.engine.evaluation.infidelity import infidelity
from convscope.engine.evaluation.sensitivity import max_sensitivity


@pytest.fixture
def network() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return nn.Sequential(
            nn.Conv2d(3, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(54, 4)
        ).eval()


def pictures() -> Tensor:
    return torch.randn(3, 3, 12, 12, generator=torch.Generator().manual_seed(5))


def test_sensitivity_is_captums(network: nn.Module) -> None:
    """With the very noises, one after the other."""
    radius, samples, seed = 0.1, 6, 11
    generator = torch.Generator().manual_seed(seed)
    noises = [(2 * torch.rand(pictures().shape, generator=generator) - 1) * radius for _ in range(samples)]

    def explain(images: Tensor) -> Tensor:
        return attribute(network, images, 1, "gradient")

    def captums(noise: Tensor) -> Tensor:
        def disturbed(images: Tensor, _: float) -> tuple[Tensor]:
            return (images + noise,)

        def explained(images: tuple[Tensor]) -> tuple[Tensor]:
            return (explain(images[0]),)

        found: Tensor = sensitivity_max(explained, pictures(), disturbed, n_perturb_samples=1)
        return found

    found = max_sensitivity(explain, pictures(), radius=radius, samples=samples, seed=seed)
    expected = torch.stack([captums(noise) for noise in noises]).amax(0)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_infidelity_is_captums(network: nn.Module) -> None:
    noise, seed = 0.2, 4
    change = noise * torch.randn(pictures().shape, generator=torch.Generator().manual_seed(seed))
    values = attribute(network, pictures(), 2, "gradient")
    expected = captum_infidelity(
        network, lambda images: (change, images - change), pictures(), values, target=2, n_perturb_samples=1
    )
    found = infidelity(lambda images: network(images)[:, 2], pictures(), values, noise=noise, samples=1, seed=seed)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-7)


def test_of_a_linear_network_the_gradient_foretells_everything() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        linear = nn.Sequential(nn.Flatten(), nn.Linear(3 * 144, 2))
    gradient = linear.get_parameter("1.weight")[1].detach().view(1, 3, 12, 12).expand(3, -1, -1, -1)

    def answer(images: Tensor) -> Tensor:
        return linear(images)[:, 1]  # type: ignore[no-any-return]

    assert infidelity(answer, pictures(), gradient).max() < 1e-8
    assert infidelity(answer, pictures(), 2 * gradient).min() > 1e-6
    assert max_sensitivity(lambda images: gradient, pictures()).max() == 0


def test_the_same_seed_is_the_same_and_more_samples_find_no_less(network: nn.Module) -> None:
    def explain(images: Tensor) -> Tensor:
        return attribute(network, images, 0, "gradient")

    few, again, many = (max_sensitivity(explain, pictures(), samples=count, seed=2) for count in (3, 3, 9))
    assert torch.equal(few, again)
    assert (many >= few).all()


@pytest.mark.parametrize(("field", "value"), [("samples", 0), ("radius", 0.0), ("radius", float("nan"))])
def test_bad_numbers_are_named(field: str, value: float) -> None:
    with pytest.raises(InvalidInput) as caught:
        max_sensitivity(lambda images: images, pictures(), **{field: value})  # type: ignore[arg-type]
    assert caught.value.field == field
    if field == "samples":
        with pytest.raises(InvalidInput):
            infidelity(lambda images: images.sum((1, 2, 3)), pictures(), pictures(), samples=0)


def test_attributions_of_other_pictures_are_named() -> None:
    for shape in ((2, 3, 12, 12), (3, 1, 6, 6), (3, 12, 12)):
        with pytest.raises(InvalidInput) as caught:
            infidelity(lambda images: images.sum((1, 2, 3)), pictures(), torch.zeros(shape))
        assert caught.value.field == "attributions"
