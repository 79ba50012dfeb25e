"""The parameters of pictures that a learned prior makes, checked in one place. Needs no torch."""

from typing import Annotated, Literal

from pydantic import Field

from convscope.engine.parameters import Parameters
from convscope.engine.synthesis.parameters import NotNegative, Positive, Seed, Share


class CodeParameters(Parameters):
    """What a recipe with a learned prior sets, and a caller may override. parse() raises InvalidParameter that names
    the field.

    Codes are standard deviations about the mean of real pictures' codes, each number by itself.
    """

    # What is ascended
    output: Literal["score", "log_probability", "probability"] = "log_probability"
    """Of a class; a unit has its value alone."""
    copies: Annotated[int, Field(ge=1, le=16)] = 1
    """Pictures for each target; they start from codes of their own."""

    # The way uphill
    steps: Annotated[int, Field(ge=1, le=100_000)] = 200
    step_size: Positive = 1.0
    """How far a step goes: PPGN's epsilon2. Standard deviations where the gradient is normalized by mean_abs; their
    Euclidean norm by norm; else the gradient's factor."""
    final_step_size: NotNegative | None = None
    """step_size at the last step, and evenly between; None: the same throughout."""
    normalization: Literal["none", "norm", "mean_abs"] = "none"
    """Divides each code's gradient by its Euclidean norm or by the mean of its absolute values."""

    # What keeps codes likely
    noise: NotNegative = 1.0
    """Standard deviation of the code that is started from."""
    decay: Share = 0.0
    """Part of the code that each step takes off, towards the mean: one less the factor that DGN-AM calls L2."""
    bounded: bool = True
    """Whether codes are kept within three standard deviations, and within what real ones have at least, after each
    step."""
    denoising: Annotated[float, Field(ge=0, le=1)] = 0.0
    """PPGN's epsilon1: part of the way to the denoised code."""
    denoiser: Literal["joint", "autoencoder"] = "joint"
    """joint: a picture is made of the code, and the code read from it again (Joint PPGN-h). autoencoder: the one that
    was learned on codes alone (PPGN-h)."""
    wandering: NotNegative = 0.0
    """PPGN's epsilon3: standard deviation of the noise that each step adds."""

    # What is kept
    chain_every: Annotated[int, Field(ge=1, le=100_000)] = 10
    """Steps from one picture of the chain to the next."""
    seed: Seed = 0
    """Of all that is random."""
