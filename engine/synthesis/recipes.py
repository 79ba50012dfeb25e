"""The papers' ways of making pictures, one frozen value each. Needs no torch.

A value that a comment does not mark is the paper's or its code's. Lengths are grey levels, as the papers' networks took
pictures; `GreyLevels` converts to what a network takes.

Rates are lengths of steps here: gradients of today's networks, with batch norm, are far smaller than those of AlexNet
and its kin, and a rate of theirs would not move a picture. Where first filters are 3 pixels wide and
not 11, the highest frequencies that plain ascent adds drown what the paper's picture shows; a recipe then smooths its
gradient a little, which `gradient_blur=0` undoes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from convscope.engine.errors import UnknownName
from convscope.engine.synthesis.parameters import Stage, SynthesisParameters

Addition = Literal["frequency_penalization", "transformation_robustness", "learned_prior", "dataset_examples"]
"""What a recipe adds to bare ascent: the columns of Olah et al. 2017, "The Spectrum of Regularization"."""
FREQUENCY: Addition = "frequency_penalization"
ROBUSTNESS: Addition = "transformation_robustness"
PRIOR: Addition = "learned_prior"
EXAMPLES: Addition = "dataset_examples"


@dataclass(frozen=True)
class Recipe:
    """A named way, with all that it sets."""

    name: str
    system: str
    """Authors and year."""
    source: str
    """Title of the paper or post."""
    summary: str
    additions: tuple[Addition, ...]
    parameters: SynthesisParameters

    def with_overrides(self, overrides: Mapping[str, Any]) -> SynthesisParameters:
        """Its parameters with some of them otherwise. Raises InvalidParameter that names the field."""
        own = {name: getattr(self.parameters, name) for name in self.parameters.model_fields_set}
        return SynthesisParameters.parse({**own, **overrides})


def find_recipe(name: str, recipes: Mapping[str, Recipe]) -> Recipe:
    """Raises UnknownName (field `recipe`) with the nearest names."""
    if name not in recipes:
        raise UnknownName("recipe", name, recipes, field="recipe")
    return recipes[name]


def _named(*recipes: Recipe) -> dict[str, Recipe]:
    return {recipe.name: recipe for recipe in recipes}


# Mahendran & Vedaldi 2015, the code: typical norm of a picture of 227 x 227, by which their energy is scaled.
SIGMA = 27098.0

ERHAN = Recipe(
    "erhan2009",
    "Erhan et al. 2009",
    "Visualizing Higher-Layer Features of a Deep Network",
    "Gradient ascent on a sphere: the norm of the picture is fixed, nothing else.",
    (),
    SynthesisParameters(noise=10.0, fixed_norm=40.0, steps=200, step_size=1.0, normalization="mean_abs"),
)
SZEGEDY = Recipe(
    "szegedy2013",
    "Szegedy et al. 2013",
    "Intriguing properties of neural networks",
    "The smallest change of the start that makes the class, by L-BFGS within the range of pixels.",
    (EXAMPLES,),
    SynthesisParameters(
        optimizer="lbfgs", output="log_probability", noise=10.0, steps=100, step_size=1.0, start_l2=1e-6, bounded=True
    ),
)
SIMONYAN = Recipe(
    "simonyan2013",
    "Simonyan et al. 2013",
    "Deep Inside Convolutional Networks",
    "From the mean picture up the score, less the squared norm of the picture.",
    (),
    # The paper gives no numbers.
    SynthesisParameters(
        steps=200, step_size=800.0, normalization="norm", momentum=0.5, l2=1e-6, gradient_blur=1.0, jitter=16
    ),
)
_MAHENDRAN = (
    "mahendran2015",
    "Mahendran & Vedaldi 2015",
    "Understanding Deep Image Representations by Inverting Them",
    "Total variation and a norm of the sixth power hold the picture near natural ones.",
    (FREQUENCY,),
)
# A class's score is about so many times the distance that the paper's weights are for.
_SCORE = 20.0
MAHENDRAN = Recipe(
    *_MAHENDRAN,
    SynthesisParameters(
        noise=1.0,
        steps=200,
        step_size=3.0,
        normalization="mean_abs",
        momentum=0.9,
        alpha=6.0,
        alpha_weight=_SCORE * 8e-10 / SIGMA**2,
        tv_beta=2.0,
        tv_weight=_SCORE * 100 / SIGMA**2,
    ),
)
MAHENDRAN_INVERSION = Recipe(
    *_MAHENDRAN,
    SynthesisParameters(
        noise=1.0,
        steps=400,
        step_size=1.0,
        normalization="mean_abs",
        momentum=0.9,
        alpha=6.0,
        alpha_weight=8e-10 / SIGMA**2,
        tv_beta=2.0,
        tv_weight=10 / SIGMA**2,
        stages=(Stage(share=100), Stage(share=200, step=(0.1, 0.1)), Stage(share=100, step=(0.01, 0.01))),
    ),
)


def _yosinski(name: str, setting: str, **values: Any) -> Recipe:
    return Recipe(
        name,
        "Yosinski et al. 2015",
        "Understanding Neural Networks Through Deep Visualization",
        f"Small decay, blur and small pixels dropped between steps; setting {setting}.",
        (FREQUENCY,),
        SynthesisParameters(noise=10.0, **values),
    )


YOSINSKI = (
    _yosinski(
        "yosinski2015", "1 of 4", blur=0.5, blur_every=4, drop_norm=0.5, steps=500, step_size=3.0,
        normalization="mean_abs",
    ),
    _yosinski(
        "yosinski2015_2", "2 of 4", decay=0.3, drop_norm=0.2, steps=750, step_size=3.0, normalization="mean_abs",
        momentum=0.8, gradient_blur=1.0,  # not the paper's: without them such a decay leaves nothing but the last steps
    ),
    _yosinski(
        "yosinski2015_3", "3 of 4", decay=1e-4, blur=1.0, blur_every=4, steps=1000, step_size=3.0,
        normalization="mean_abs",
    ),
    _yosinski(
        "yosinski2015_4", "4 of 4", blur=0.5, blur_every=4, drop_contribution=0.9, steps=1000, step_size=300.0,
        normalization="norm",
    ),
)  # fmt: skip
_FOOLING = "Deep Neural Networks are Easily Fooled"
NGUYEN = (
    Recipe(
        "nguyen2015",
        "Nguyen et al. 2015",
        _FOOLING,
        "A fooling picture, evolved through a network from coordinates to colours: regular patterns.",
        (),
        SynthesisParameters(
            parameterization="cppn",
            optimizer="evolution",
            output="log_probability",
            # The paper's networks grow, and its numbers are of that.
            noise=3.0,
            steps=300,
            step_size=0.05,
        ),
    ),
    Recipe(
        "nguyen2015_direct",
        "Nguyen et al. 2015",
        _FOOLING,
        "A fooling picture, its pixels evolved one by one: noise.",
        (),
        SynthesisParameters(
            optimizer="evolution", output="log_probability", noise=60.0, bounded=True, steps=500, step_size=15.0
        ),
    ),
    Recipe(
        "nguyen2015_gradient",
        "Nguyen et al. 2015",
        _FOOLING,
        "A fooling picture by gradient ascent with a little decay and blur.",
        (FREQUENCY,),
        SynthesisParameters(
            steps=200,
            step_size=1.0,
            normalization="mean_abs",
            decay=0.01,
            blur=0.3,
            blur_every=4,  # no numbers given
        ),
    ),
)
MORDVINTSEV_2015 = Recipe(
    "mordvintsev2015",
    "Mordvintsev et al. 2015",
    "Inceptionism: Going Deeper into Neural Networks",
    "Jitter, and one size of the picture after the other.",
    (ROBUSTNESS,),
    SynthesisParameters(
        noise=10.0,
        steps=80,  # 10 an octave in the code, which starts from a picture
        step_size=1.5,
        normalization="mean_abs",
        jitter=32,
        bounded=True,
        stages=tuple(Stage(scale=1.4**-place) for place in (3, 2, 1, 0)),
    ),
)
OYGAARD = Recipe(
    "oygaard2015",
    "Øygaard 2015",
    "Visualizing GoogLeNet Classes",
    "A blur that fades, while the picture grows and a random part of it is seen.",
    (FREQUENCY, ROBUSTNESS),
    SynthesisParameters(
        brightness=200.0,
        noise=8.0,
        steps=500,
        step_size=5.0,  # 11 in the code; every later factor is its own
        normalization="mean_abs",
        blur=2.5,
        window=True,
        bounded=True,
        stages=(
            Stage(share=190, blur=(1, 0.78 / 2.5), layer="loss3/classifier"),
            Stage(
                share=150, scale=1.2, blur=(0.936 / 2.5, 0.78 / 2.5), step=(6 / 11, 6 / 11), layer="loss3/classifier"
            ),
            Stage(
                share=150, scale=1.44, blur=(0.936 / 2.5, 0.44 / 2.5), step=(6 / 11, 3 / 11), layer="loss2/classifier"
            ),
            Stage(
                share=10, scale=1.44, blur=(0.44 / 2.5, 0.304 / 2.5), step=(3 / 11, 3 / 11), layer="loss1/classifier"
            ),
        ),
    ),
)
TYKA = Recipe(
    "tyka2016",
    "Tyka 2016",
    "Class visualization with bilateral filters",
    "A filter that spares edges between steps, and jitter.",
    (FREQUENCY, ROBUSTNESS),
    SynthesisParameters(
        noise=10.0,
        steps=300,  # 500 in the port; from there on only single pixels grow
        step_size=4.0,  # no number in the post
        normalization="mean_abs",
        jitter=16,  # no number in the post
        bilateral=3,
        bilateral_color=25.0,
        bilateral_space=110.0,
        bounded=True,
    ),
)
MORDVINTSEV_2016 = Recipe(
    "mordvintsev2016",
    "Mordvintsev et al. 2016",
    "DeepDreaming with TensorFlow",
    "The gradient's frequencies are made equally strong, size after size.",
    (FREQUENCY, ROBUSTNESS),
    SynthesisParameters(
        brightness=100.0,
        noise=0.29,  # the deviation of the code's noise, uniform from 0 to 1
        steps=60,  # 10 an octave in the code, for a channel
        step_size=1.0,
        laplacian_levels=4,
        jitter=32,
        stages=(Stage(scale=1.0), Stage(scale=1.4), Stage(scale=1.96)),
    ),
)
OLAH = Recipe(
    "olah2017",
    "Olah et al. 2017",
    "Feature Visualization",
    "A spectrum with decorrelated colours, seen padded, shifted, scaled and turned.",
    (FREQUENCY, ROBUSTNESS),
    SynthesisParameters(
        parameterization="fourier",
        noise=0.01,
        optimizer="adam",
        steps=512,
        step_size=0.05,
        pad=12,
        jitter=4,  # lucid's 8 and 4 are the widths of a range
        scaling=0.1,
        rotation=10.0,
        jitter_after=2,
        redirected_relu_steps=16,
    ),
)

# Lengths of steps in codes' standard deviations; the papers' are CaffeNet's own numbers.
NGUYEN_DGN = Recipe(
    "nguyen2016_dgn",
    "Nguyen et al. 2016",
    "Synthesizing the preferred inputs for neurons in neural networks via deep generator networks",
    "Ascent on the code of a learned generator, within three standard deviations of real codes.",
    (PRIOR,),
    SynthesisParameters(
        parameterization="code",
        noise=0.3,
        steps=200,
        step_size=0.015,  # 8, falling to 1e-10, in fc6's numbers
        final_step_size=1e-10,
        normalization="mean_abs",
        decay=0.01,
        bounded=True,
    ),
)
NGUYEN_PPGN = Recipe(
    "nguyen2016_ppgn",
    "Nguyen et al. 2016",
    "Plug & Play Generative Networks: Conditional Iterative Generation of Images in Latent Space",
    "A walk over codes: towards what a denoising autoencoder makes of them, up the class, and noise, which falls.",
    (PRIOR,),
    # The paper's steps are all alike: 1e-5, 1 and 1e-17, from the code of a real picture. From noise alone, on a grid
    # of numbers that say the same many times over, that wanders between pictures; noise that falls settles on one,
    # again and again, and the best is taken, for some settle on a neighbour of the class.
    SynthesisParameters(
        parameterization="code",
        noise=30.0,
        output="log_probability",
        optimizer="langevin",
        steps=240,
        step_size=24.0,
        final_noise=0.3,
        cycles=12,
    ),
)

RECIPES: Mapping[str, Recipe] = _named(
    ERHAN, SZEGEDY, SIMONYAN, MAHENDRAN, *YOSINSKI, *NGUYEN, MORDVINTSEV_2015, OYGAARD, TYKA, MORDVINTSEV_2016,
    NGUYEN_DGN, NGUYEN_PPGN, OLAH,
)  # fmt: skip
"""Of classes and units, in the order of their years."""
DEFAULT_RECIPE = OLAH.name

INVERSIONS: Mapping[str, Recipe] = _named(
    MAHENDRAN_INVERSION,
    Recipe(
        OLAH.name,
        OLAH.system,
        OLAH.source,
        "A spectrum with decorrelated colours, moved until its features are the wanted ones.",
        (FREQUENCY,),
        SynthesisParameters(parameterization="fourier", noise=0.01, optimizer="adam", steps=256, step_size=0.05),
    ),
)
"""Of features: what is ascended is the negative distance over the wanted features' squared norm."""
DEFAULT_INVERSION = MAHENDRAN_INVERSION.name
