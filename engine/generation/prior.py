"""A learned prior: what a network's codes look like as pictures, and which codes are likely. One safetensors file."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from convscope.engine.errors import UnknownName
from convscope.engine.generation.card import PriorCard
from convscope.engine.generation.codes import CodeRange, CodeReader
from convscope.engine.generation.errors import PriorInvalid, PriorMismatch
from convscope.engine.generation.feature_denoiser import FeatureDenoiser
from convscope.engine.generation.generator import Generator
from convscope.engine.generation.prior_header import PriorHeader
from convscope.engine.models.model import Model


@dataclass(frozen=True, eq=False)
class Prior:
    """In evaluation mode, no parameter requires a gradient. Codes are standardized: standard deviations about the mean
    of real ones."""

    card: PriorCard
    generator: Generator
    denoiser: FeatureDenoiser
    """R."""
    range: CodeRange

    def __post_init__(self) -> None:
        for network in (self.generator, self.denoiser):
            network.to(memory_format=torch.channels_last)  # a gradient through the generator takes half the time

    def check(self, model: Model) -> CodeReader:
        """What reads the codes of this prior in its network. Raises PriorMismatch for any other network."""
        size = (model.preprocessing.height, model.preprocessing.width)
        self.card.check(model.name, model.weights_digest, size)
        try:
            reader = CodeReader(model, self.card.layer)
        except UnknownName as error:
            raise PriorMismatch(f"the prior is of the layer {self.card.layer!r}: {error.message}") from error
        if reader.shape != self.card.generator.code:
            message = f"the prior's codes are {list(self.card.generator.code)}; those of {self.card.layer!r} are "
            raise PriorMismatch(f"{message}{list(reader.shape)}")
        return reader

    def pictures(self, codes: Tensor) -> Tensor:
        """Codes [N, channels, height, width] to pictures [N, 3, H, W], red, green and blue, 0 to 1."""
        made: Tensor = self.generator(codes)
        return made

    @property
    def digest(self) -> str:
        """SHA-256 of the card and of all numbers, hex."""
        return _digest(self.card, self._tensors())

    def to(self, device: torch.device) -> "Prior":
        """The same on a device. The networks are moved, not copied."""
        moved = CodeRange(*(part.to(device) for part in (self.range.mean, self.range.std, self.range.lowest)))
        return Prior(self.card, self.generator.to(device), self.denoiser.to(device), moved)

    def to_bytes(self) -> bytes:
        """A safetensors file; equal priors give equal bytes."""
        tensors = self._tensors()
        return save(tensors, PriorHeader(self.card, _digest(self.card, tensors)).metadata())

    def save(self, path: Path) -> None:
        """to_bytes() into a file."""
        path.write_bytes(self.to_bytes())

    def _tensors(self) -> dict[str, Tensor]:
        tensors = {f"generator.{name}": tensor for name, tensor in self.generator.state_dict().items()}
        tensors |= {f"denoiser.{name}": tensor for name, tensor in self.denoiser.state_dict().items()}
        tensors |= {"codes.mean": self.range.mean, "codes.std": self.range.std, "codes.lowest": self.range.lowest}
        return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}

    @classmethod
    def from_bytes(cls, data: bytes) -> "Prior":
        """Read what to_bytes() gave. Raises PriorInvalid."""
        header = PriorHeader.from_bytes(data)
        try:
            tensors = load(data)
        except SafetensorError as error:
            raise PriorInvalid(f"{len(data)} bytes that are no whole prior") from error
        card = header.card
        if header.digest != _digest(card, tensors):
            raise PriorInvalid("the prior is damaged: its digest is not that of what it holds")
        # What the card claims takes no memory before the file is known to have it.
        with torch.device("meta"):
            generator, denoiser = Generator(card.generator), FeatureDenoiser(card.generator.code, card.hidden)
        try:
            _fill(generator, tensors, "generator.")
            _fill(denoiser, tensors, "denoiser.")
            codes = CodeRange(*(_checked(tensors, f"codes.{name}", card) for name in ("mean", "std", "lowest")))
        except (RuntimeError, LookupError, ValueError) as error:
            raise PriorInvalid(
                f"the prior's numbers do not fit its card: {' '.join(str(error).split())[:300]}"
            ) from error
        return cls(card, generator, denoiser, codes)

    @classmethod
    def load(cls, path: Path) -> "Prior":
        """Of a file. Raises PriorInvalid."""
        try:
            return cls.from_bytes(path.read_bytes())
        except OSError as error:
            raise PriorInvalid(f"the prior {path} cannot be read: {error.strerror}") from error


def _fill(module: nn.Module, tensors: dict[str, Tensor], prefix: str) -> None:
    own = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    module.load_state_dict(own, assign=True)
    module.eval().requires_grad_(False)


def _checked(tensors: dict[str, Tensor], name: str, card: PriorCard) -> Tensor:
    tensor = tensors[name]
    if tensor.shape != (1, card.generator.code[0], 1, 1):
        raise ValueError(f"{name} has the shape {list(tensor.shape)}")
    return tensor


def _digest(card: PriorCard, tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256(card.model_dump_json().encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
