"""The papers' ways of making pictures with a learned prior, one frozen value each. Needs no torch.

A value that a comment does not mark is the paper's or its code's. Codes are standard deviations here, CaffeNet's own
numbers there, so that lengths of steps are other numbers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from convscope.engine.synthesis.code_parameters import CodeParameters
from convscope.engine.synthesis.recipes import PRIOR, Addition


@dataclass(frozen=True)
class CodeRecipe:
    """A named way, with all that it sets; as Recipe."""

    name: str
    system: str
    """Authors and year."""
    source: str
    """Title of the paper or post."""
    summary: str
    additions: tuple[Addition, ...]
    parameters: CodeParameters

    def with_overrides(self, overrides: Mapping[str, Any]) -> CodeParameters:
        """Its parameters with some of them otherwise. Raises InvalidParameter that names the field."""
        own = {name: getattr(self.parameters, name) for name in self.parameters.model_fields_set}
        return CodeParameters.parse({**own, **overrides})


NGUYEN_DGN = CodeRecipe(
    "nguyen2016_dgn",
    "Nguyen et al. 2016",
    "Synthesizing the preferred inputs for neurons in neural networks via deep generator networks",
    "Ascent on the code of a generator, within three standard deviations of real codes.",
    (PRIOR,),
    CodeParameters(
        output="score",
        steps=200,
        step_size=0.3,  # 8, falling to 1e-10, in fc6's numbers
        final_step_size=1e-10,
        normalization="mean_abs",
        decay=0.01,
        bounded=True,
    ),
)
NGUYEN_PPGN = CodeRecipe(
    "nguyen2016_ppgn",
    "Nguyen et al. 2016",
    "Plug & Play Generative Networks: Conditional Iterative Generation of Images in Latent Space",
    "A walk over codes: towards what a denoising autoencoder makes of them, up the class, and noise.",
    (PRIOR,),
    CodeParameters(
        output="log_probability",
        steps=200,
        step_size=1.0,
        denoising=0.1,  # 1e-5
        # 1e-17. This much keeps the walk at the codes of real pictures where there is no condition: the root of twice
        # the pull, of a denoiser of noise of 0.3.
        wandering=0.13,
        denoiser="autoencoder",  # joint: with a small generator a walk towards that ends in one grey picture
        bounded=True,
    ),
)
CODE_RECIPES: Mapping[str, CodeRecipe] = {recipe.name: recipe for recipe in (NGUYEN_DGN, NGUYEN_PPGN)}
"""Of classes and units. They are not among RECIPES: those have the parameters of the contract's SynthesisParameters."""
