"""DeepLIFT: the score's difference from that of an empty picture, shared out layer by layer among the pixels."""

from dataclasses import replace

import torch

from convscope.engine.attribution.batch import Batch
from convscope.engine.attribution.difference_rule import DifferenceRule
from convscope.engine.attribution.fill import FillParameters, empty_pictures
from convscope.engine.attribution.forward_pass import PIXELS, ForwardPass
from convscope.engine.attribution.inner_batches import in_inner_batches
from convscope.engine.attribution.method import Attribution
from convscope.engine.attribution.target import ClassTarget
from convscope.engine.errors import InvalidInput


class DeepLiftParameters(FillParameters):
    """Parameters of `deep_lift`; `fill` is the reference that the picture is compared with."""


def deep_lift(batch: Batch, parameters: DeepLiftParameters) -> Attribution:
    """(x - x') m, [N, 3, H, W], with m the product of the layers' multipliers from the score down to the pixels.

    Shrikumar, Greenside & Kundaje 2017, "Learning Important Features Through Propagating Activation Differences", the
    rescale rule, equation 3 and section 3.5.2. The sum is S(x) - S(x') but for rounding: what is linear (convolutions,
    linear layers, batch norm, average pooling, sums, concatenations) passes multipliers like gradients, functions that
    go number by number and max pooling have the rules of difference_rule.py. So in AlexNet, VGG, ResNet, DenseNet,
    GoogLeNet, SqueezeNet, MobileNet v2, EfficientNet-Lite. Costs a forward and a backward pass over picture and
    reference. (Captum's DeepLift loses shares where pooling windows overlap or pooling stands next to a ReLU.)

    Raises MethodUnsupported for a network with anything else: a product of two paths (squeeze-and-excitation),
    attention, layer norm; InvalidInput for a target that reads probabilities, as the softmax is such a thing too.
    """
    for target in batch.targets.each:
        if isinstance(target, ClassTarget) and (target.output or batch.targets.output) != "score":
            message = "deep_lift explains the score; it has no rule for the softmax that makes probabilities"
            raise InvalidInput(message, field="targets")
    parts: list[Attribution] = []
    in_inner_batches(batch, len(batch), lambda rows: parts.append(_part(batch.take(rows), parameters)), gradients=True)
    errors = [part.convergence_error for part in parts if part.convergence_error is not None]
    return Attribution(
        torch.cat([part.values for part in parts]),
        torch.cat([part.scores for part in parts]),
        replace(batch.targets, each=tuple(target for part in parts for target in part.targets.each)),
        torch.cat([part.explained for part in parts]),
        convergence_error=torch.cat(errors),
    )


def _part(batch: Batch, parameters: DeepLiftParameters) -> Attribution:
    count = len(batch)
    reference = empty_pictures(batch, parameters)
    with DifferenceRule(count):
        pair = torch.cat((batch.images, reference))
        run = ForwardPass(batch.module, pair, batch.layers, differentiate=[PIXELS], observe=batch.observed)
        scores = run.scores[:count]
        targets = batch.targets.resolve(scores)
        both = targets.take([*range(count), *range(count)])
        multipliers = run.gradient(both, PIXELS)[:count]
    difference = (batch.images - reference).to(torch.promote_types(reference.dtype, torch.float32))
    values = difference * multipliers
    explained, empty = run.values(both).chunk(2)
    error = values.double().flatten(1).sum(dim=1) - (explained.double() - empty.double())
    return Attribution(values, scores, targets, explained, convergence_error=error.to(values.dtype))
