"""What a prior says of itself. Needs no torch."""

from typing import Annotated

from pydantic import Field

from convscope.engine.generation.errors import PriorMismatch
from convscope.engine.generation.generator_shape import GeneratorShape
from convscope.engine.generation.parameters import TrainingParameters
from convscope.engine.parameters import Parameters

Count = Annotated[int, Field(ge=0)]
Error = Annotated[float, Field(ge=0)]


class PriorCard(Parameters):
    """Plain JSON."""

    model: str
    """Name of the network whose features it is made of."""
    weights_digest: str
    """SHA-256 of that network's weights, hex."""
    layer: str
    """The network's own name."""
    generator: GeneratorShape
    hidden: Annotated[tuple[int, ...], Field(max_length=16)]
    """Channels of the denoising autoencoder, between code and code."""
    training: TrainingParameters
    """With the steps and the batch that it had."""
    pictures: Count
    """That it was trained on."""
    held_out: Count
    """That its errors were measured on, none of them among the others."""
    pixel_error: Error
    """Root mean square of what the generator misses of a held-out picture of whose code it is made, values from 0 to
    1."""
    feature_error: Error
    """Mean square of what the made picture's code misses of that code, over the variance: 1 is as good as the mean."""
    denoising_error: Error
    """Mean square of what the autoencoder leaves of its noise, over the noise's: 1 is as good as nothing."""

    @property
    def code_length(self) -> int:
        """Numbers in a code."""
        channels, rows, columns = self.generator.code
        return channels * rows * columns

    def check(self, model: str, weights_digest: str, size: tuple[int, int]) -> None:
        """Raises PriorMismatch for another network than its own. model: its name. size: height and width of its
        input."""
        if weights_digest != self.weights_digest:
            message = (
                f"the prior is of {self.model} with weights of digest {self.weights_digest[:12]}...; "
                f"{model} has weights of digest {weights_digest[:12]}..."
            )
            raise PriorMismatch(message)
        made = self.generator
        if size != (made.height, made.width):
            message = f"the prior makes pictures of {made.width} x {made.height} pixels; {model} takes "
            raise PriorMismatch(f"{message}{size[1]} x {size[0]}")
