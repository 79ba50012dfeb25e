"""Learned priors beside plain PyTorch with the same networks: steps of a training, and of the recipes that use one."""

from collections.abc import Callable
from copy import deepcopy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.machine import DEVICE, THREADS
from benchmarks.networks import as_peers_have_it
from benchmarks.timing import in_turn
from convscope.engine.generation.discriminator import Discriminator
from convscope.engine.generation.feature_denoiser import FeatureDenoiser
from convscope.engine.generation.generator import Generator
from convscope.engine.generation.generator_shape import generator_shape
from convscope.engine.generation.parameters import TrainingParameters
from convscope.engine.generation.presets import find_preset
from convscope.engine.generation.prior import Prior
from convscope.engine.generation.shipped import SHIPPED
from convscope.engine.generation.training import Training
from convscope.engine.models.catalogue import Catalogue
from convscope.engine.models.model import Model
from convscope.engine.synthesis.class_visualization import class_visualization
from convscope.engine.synthesis.parameters import SynthesisParameters
from convscope.engine.synthesis.recipes import RECIPES
from convscope.services.common.tuning import tune_process

TRAINING_AT_MOST, RECIPE_AT_MOST = 1.1, 0.8
PICTURES, BATCH, ROUNDS = 64, 8, 3
TRAINING_STEPS, RECIPE_STEPS = 4, 40
CYCLES = {"cycles": 2}
"""As long as PPGN's."""
TARGET = 1


def run() -> None:
    tune_process()
    torch.set_num_threads(THREADS)
    columns = ("what", "model", "layer", "plain, ms a step", "convscope / plain", "at most")
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for name, path in SHIPPED.items():
        model, prior = Catalogue.read().load(name, device=DEVICE), Prior.load(path).to(torch.device(DEVICE))
        layer = prior.card.layer
        for weight in (0.0, 0.1):
            what = "training, adversarial" if weight else "training"
            cells = _measured(_Bare(model, layer, weight), _training(model, layer, weight), TRAINING_STEPS)
            print(f"| {what} | {name} | {layer} | {cells} | {TRAINING_AT_MOST} |", flush=True)
        for recipe, cycles in (("nguyen2016_dgn", {}), ("nguyen2016_ppgn", CYCLES)):
            parameters = RECIPES[recipe].with_overrides({"steps": RECIPE_STEPS, **cycles})
            plain, ours = _plain_recipe(model, prior, parameters), _recipe(model, prior, parameters)
            cells = _measured(plain, ours, RECIPE_STEPS)
            print(f"| {recipe} | {name} | {layer} | {cells} | {RECIPE_AT_MOST} |", flush=True)


def _measured(plain: Callable[[], None], ours: Callable[[], None], steps: int) -> str:
    """Two cells."""
    times = in_turn({"plain": plain, "ours": ours}, rounds=ROUNDS, warm_up=1)
    return f"{times['plain'] / steps * 1000:.0f} | **{times['ours'] / times['plain']:.2f}**"


def _pictures(model: Model) -> Tensor:
    shape = (PICTURES, 3, model.preprocessing.height, model.preprocessing.width)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def _parameters(weight: float) -> TrainingParameters:
    return TrainingParameters(steps=1_000_000, batch=BATCH, adversarial_weight=weight)


def _training(model: Model, layer: str, weight: float) -> Callable[[], None]:
    training = Training(model, layer, _pictures(model), _parameters(weight))
    while not training.can_show:
        training.advance()

    def some() -> None:
        for _ in range(TRAINING_STEPS):
            training.advance()

    return some


class _Reached(Exception):
    """A layer has run: what comes after it is not needed."""

    def __init__(self, output: Tensor) -> None:
        self.output = output


def _stop(_: nn.Module, __: tuple[Tensor, ...], output: Tensor) -> None:
    raise _Reached(output)


class _Bare:
    """The loop that a user would write: backward(), step(), a look at each loss."""

    def __init__(self, model: Model, layer: str, weight: float) -> None:
        preset, self.weight = find_preset("tiny"), weight
        self.module = as_peers_have_it(model)
        self.module.get_submodule(layer).register_forward_hook(_stop)
        size = (model.preprocessing.height, model.preprocessing.width)
        values = (model.preprocessing.mean, model.preprocessing.std)
        self.mean, self.std = (torch.tensor(one, device=DEVICE).view(1, 3, 1, 1) for one in values)
        self.pictures = _pictures(model)
        code = self._code(self._batch(0))
        shape = (code.shape[1], code.shape[2], code.shape[3])
        self.generator = Generator(generator_shape(preset, shape, *size)).to(DEVICE)
        self.denoiser = FeatureDenoiser(shape, preset.hidden).to(DEVICE)
        self.discriminator = Discriminator(shape, *size, preset.discriminator_width).to(DEVICE)
        networks = (self.generator, self.denoiser, self.discriminator)
        self.optimizers = [torch.optim.Adam(one.parameters(), 1e-3, (0.5, 0.999)) for one in networks]
        self.step = 0

    def __call__(self) -> None:
        for _ in range(TRAINING_STEPS):
            self._step()
            self.step += 1

    def _step(self) -> None:
        generating, denoising, telling = self.optimizers
        real = self._batch(self.step)
        with torch.no_grad():
            clean = self._code(real)
        noisy = clean + 0.3 * torch.randn_like(clean)
        self._descend(denoising, F.mse_loss(self.denoiser(noisy), clean))
        made = self.generator(noisy)
        loss = F.mse_loss(made, real) + 0.1 * F.mse_loss(self._code(made), clean)
        if self.weight:
            told, deceived = self.discriminator(real, clean), self.discriminator(made.detach(), clean)
            self._descend(telling, F.softplus(-told).mean() + F.softplus(deceived).mean())
            loss = loss + self.weight * F.softplus(-self.discriminator(made, clean)).mean()
        self._descend(generating, loss)

    @staticmethod
    def _descend(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        loss.item()

    def _batch(self, step: int) -> Tensor:
        places = [(step * BATCH + place) % PICTURES for place in range(BATCH)]
        return self.pictures[places].to(DEVICE).float() / 255

    def _code(self, pictures: Tensor) -> Tensor:
        try:
            self.module((pictures - self.mean) / self.std)
        except _Reached as reached:
            return reached.output
        raise AssertionError("the layer did not run")


def _recipe(model: Model, prior: Prior, parameters: SynthesisParameters) -> Callable[[], None]:
    def made() -> None:
        synthesis = class_visualization(model, [TARGET], parameters, prior=prior)
        while not synthesis.over:
            synthesis.advance()
        synthesis.pictures()

    return made


def _plain_recipe(model: Model, prior: Prior, parameters: SynthesisParameters) -> Callable[[], None]:
    """Up the class on the code; where the recipe walks, of the denoised code, and towards it."""
    module = as_peers_have_it(model).to(memory_format=torch.contiguous_format)
    generator, denoiser = (
        deepcopy(one).to(memory_format=torch.contiguous_format) for one in (prior.generator, prior.denoiser)
    )
    values = (model.preprocessing.mean, model.preprocessing.std)
    mean, std = (torch.tensor(one, device=DEVICE).view(1, 3, 1, 1) for one in values)
    lowest, highest = prior.range.bounds

    def made() -> None:
        code = torch.randn(1, *prior.card.generator.code, device=DEVICE)
        for _ in range(parameters.steps):
            code = code.detach().requires_grad_()
            clean = denoiser(code) if parameters.optimizer == "langevin" else code
            score = module((generator(clean) - mean) / std)[0, TARGET]
            torch.autograd.backward(score)
            assert code.grad is not None
            step = 0.3 * code.grad / code.grad.abs().mean()
            if parameters.optimizer == "langevin":
                step = step + 0.1 * (clean - code) + 0.1 * torch.randn_like(code)
            code = torch.minimum(torch.maximum(0.99 * (code + step), lowest), highest)
            score.item()
        generator(code)

    return made
