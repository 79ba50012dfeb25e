"""The networks of a prior while they learn."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from convscope.engine.generation.adam_state import adam_tensors, restore_adam
from convscope.engine.generation.codes import CodeRange, CodeReader
from convscope.engine.generation.discriminator import Discriminator
from convscope.engine.generation.feature_denoiser import FeatureDenoiser
from convscope.engine.generation.generator import Generator
from convscope.engine.generation.generator_shape import generator_shape
from convscope.engine.generation.losses import deceiving_loss, feature_loss, pixel_loss, telling_loss
from convscope.engine.generation.parameters import TrainingParameters
from convscope.engine.generation.presets import find_preset

LOSSES = ("pixel", "feature", "adversarial", "discriminator", "denoising")
# Adam's. Radford et al. 2015: with a longer memory of gradients generator and discriminator swing.
_DECAYS = (0.5, 0.999)


class Learning:
    """Generator, autoencoder and, where it has a weight, discriminator, each with an optimizer of its own."""

    def __init__(self, reader: CodeReader, height: int, width: int, parameters: TrainingParameters) -> None:
        """reader: of the codes. height, width: of the pictures. Raises UnknownName (field `preset`)."""
        preset = find_preset(parameters.preset)
        self.shape = generator_shape(preset, reader.shape, height, width)
        self.hidden = preset.hidden
        self._reader = reader
        self._parameters = parameters
        self._device = reader.device
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(parameters.seed)
            self._networks: dict[str, nn.Module] = {
                "generator": Generator(self.shape),
                "denoiser": FeatureDenoiser(self.shape.code, self.hidden),
            }
            if parameters.adversarial_weight:
                wide = preset.discriminator_width
                self._networks["discriminator"] = Discriminator(self.shape.code, height, width, wide)
        for network in self._networks.values():
            network.to(device=self._device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
        self._optimizers = {
            name: torch.optim.Adam(network.parameters(), parameters.rate, _DECAYS)
            for name, network in self._networks.items()
        }
        self._chance = torch.Generator().manual_seed(parameters.seed)

    @property
    def losses(self) -> tuple[str, ...]:
        """Of LOSSES those that there are."""
        told = "discriminator" in self._networks
        return LOSSES if told else tuple(name for name in LOSSES if name not in ("adversarial", "discriminator"))

    def step(self, real: Tensor, codes: CodeRange, slowing: float) -> dict[str, Tensor]:
        """Take a step of every network on pictures [N, 3, H, W]: its losses before it, each []. codes: their range.
        slowing: factor of the rate."""
        for optimizer in self._optimizers.values():
            optimizer.param_groups[0]["lr"] = self._parameters.rate * slowing
        with torch.no_grad():
            clean = codes.standardized(self._reader(real))
        denoising = self._denoise(clean + self.noise(clean, self._parameters.noise), clean)
        noisy = clean + self.noise(clean, self._parameters.generator_noise)
        return {"denoising": denoising, **self._generate(real, noisy, clean, codes)}

    def noise(self, codes: Tensor, most: float) -> Tensor:
        """To come over codes, of which it has the shape. most: its standard deviation at most."""
        # Cubed: half of them are less than an eighth of the most, where what matters is decided.
        levels = most * torch.rand(len(codes), 1, 1, 1, generator=self._chance) ** 3
        return (levels * torch.randn(codes.shape, generator=self._chance)).to(codes.device)

    @torch.no_grad()
    def made(self, codes: Tensor) -> Tensor:
        """The pictures of standardized codes, as whoever uses the generator gets them."""
        return self._used("generator", codes)

    @torch.no_grad()
    def cleaned(self, codes: Tensor) -> Tensor:
        """What the autoencoder makes of standardized codes."""
        return self._used("denoiser", codes)

    def learned(self) -> tuple[Generator, FeatureDenoiser]:
        """Copies of what there is now, in evaluation mode."""
        generator, denoiser = Generator(self.shape), FeatureDenoiser(self.shape.code, self.hidden)
        for network, name in ((generator, "generator"), (denoiser, "denoiser")):
            network.load_state_dict(self._networks[name].state_dict())
            network.to(self._device).eval().requires_grad_(False)
        return generator, denoiser

    def state(self) -> dict[str, Tensor]:
        """To go on from."""
        tensors = {"chance": self._chance.get_state()}
        for name, network in self._networks.items():
            tensors |= {f"{name}.{part}": tensor for part, tensor in network.state_dict().items()}
            optimizer = adam_tensors(self._optimizers[name])
            tensors |= {f"optimizer.{name}.{part}": tensor for part, tensor in optimizer.items()}
        return tensors

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what state() gave, other tensors may be among them; a KeyError, ValueError or RuntimeError for
        anything else."""
        self._chance.set_state(state["chance"])
        for name, network in self._networks.items():
            network.load_state_dict(under(state, f"{name}."))
            restore_adam(self._optimizers[name], under(state, f"optimizer.{name}."))

    def _used(self, name: str, codes: Tensor) -> Tensor:
        """What a network gives to whoever uses it."""
        network = self._networks[name].eval()
        given: Tensor = network(codes)
        network.train()
        return given

    def _denoise(self, noisy: Tensor, clean: Tensor) -> Tensor:
        with torch.enable_grad():
            loss = feature_loss(self._networks["denoiser"](noisy), clean)
        self._descend("denoiser", loss)
        return loss.detach()

    def _generate(self, real: Tensor, noisy: Tensor, clean: Tensor, codes: CodeRange) -> dict[str, Tensor]:
        """From noisy codes to the clean ones' pictures: it is then a denoiser too, together with the network that looks
        at what it makes (PPGN, section 3.4), and codes that a synthesis moves do not leave what it knows."""
        weights = self._parameters
        with torch.enable_grad():
            made = self._networks["generator"](noisy)
            found = {"pixel": pixel_loss(made, real)}
            loss = weights.pixel_weight * found["pixel"]
            found["feature"] = feature_loss(codes.standardized(self._reader(made)), clean)
            loss = loss + weights.feature_weight * found["feature"]
            if "discriminator" in self._networks:
                found["discriminator"] = self._tell(real, made.detach(), clean)
                found["adversarial"] = deceiving_loss(self._networks["discriminator"](made, clean))
                loss = loss + weights.adversarial_weight * found["adversarial"]
        self._descend("generator", loss)
        return {name: value.detach() for name, value in found.items()}

    def _tell(self, real: Tensor, made: Tensor, clean: Tensor) -> Tensor:
        told = self._networks["discriminator"](torch.cat([real, made]), torch.cat([clean, clean]))
        loss = telling_loss(told[: len(real)], told[len(real) :])
        self._descend("discriminator", loss)
        return loss

    def _descend(self, name: str, loss: Tensor) -> None:
        """Along the gradients of one network's weights alone."""
        weights = list(self._networks[name].parameters())
        for weight, gradient in zip(weights, torch.autograd.grad(loss, weights), strict=True):
            weight.grad = gradient
        self._optimizers[name].step()


def under(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Those whose names begin with `prefix`, without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
