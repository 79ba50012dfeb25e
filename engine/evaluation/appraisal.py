"""Explanations of some pictures, measured."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from convscope.engine.attribution.batch import Batch, Progress, unwatched
from convscope.engine.attribution.fill import FillParameters, empty_pictures
from convscope.engine.attribution.method import Attribution
from convscope.engine.attribution.target import Targets, UnitTarget
from convscope.engine.evaluation.asked_network import AskedNetwork, MeasuredMethod, heatmaps, signed
from convscope.engine.evaluation.case import Case
from convscope.engine.evaluation.curves import change_curve
from convscope.engine.evaluation.infidelity import infidelity
from convscope.engine.evaluation.localization import box_overlap, energy_inside, pointing_game
from convscope.engine.evaluation.metrics import RANDOM
from convscope.engine.evaluation.parameters import EvaluationParameters
from convscope.engine.evaluation.rank_correlation import rank_correlation
from convscope.engine.evaluation.sanity import cascade, with_weights
from convscope.engine.evaluation.sensitivity import max_sensitivity
from convscope.engine.models.model import Model
from convscope.engine.words.given import Given

Map = NDArray[np.float32]
MOST_AT_ONCE = 8
"""Pictures that go through the network together; fixed, because other batches round otherwise, and an evaluation that
goes on elsewhere is to give the same."""


@dataclass
class Finding:
    """What was measured of one explanation."""

    values: dict[str, float] = field(default_factory=dict)
    """By metric; NaN where the map has none."""
    curves: dict[str, tuple[float, ...]] = field(default_factory=dict)
    """By metric: the probabilities of insertion and deletion, at evenly spaced parts of the pixels from none to all;
    the correlations of the stages of randomization."""


Findings = dict[str, Finding]
"""By the method's label."""


class Appraisal:
    """Measures methods on cases, a step for each batch and method."""

    def __init__(
        self,
        model: Model,
        cases: Sequence[Case],
        methods: Sequence[MeasuredMethod],
        metrics: Sequence[str],
        parameters: EvaluationParameters,
        *,
        progress: Progress = unwatched,
    ) -> None:
        """metrics: names of METRICS; one that needs what is not known of a case has no value for it. progress: told
        within a step, as methods tell it; what it raises ends the step."""
        self._model = model
        self._cases = cases
        self._methods = methods
        self._metrics = frozenset(metrics)
        self._parameters = parameters
        self._progress = progress
        self._batches = list(_batches(cases))
        self.findings: list[Findings] = [{} for _ in cases]
        """Of each case."""
        self.targets = [case.target for case in cases]
        """Of each case, the top class named once it is through."""
        self.done = 0
        """Cases that are through."""
        self._steps = self._run()

    @property
    def over(self) -> bool:
        return self.done == len(self._cases)

    def advance(self) -> None:
        """Take a step. Raises what the methods raise."""
        next(self._steps, None)

    def _run(self) -> Iterator[None]:
        for rows in self._batches:
            cases = [self._cases[row] for row in rows]
            network, images = asked(self._model, cases, self._progress)
            batch = _Batch(network, images, cases, [self.findings[row] for row in rows])
            yield from self._measure(batch)
            for row, target in zip(rows, network.each, strict=True):
                self.targets[row] = target
            self.done += len(rows)
            yield

    def _measure(self, batch: "_Batch") -> Iterator[None]:
        occlusion = self._occlusion(batch)
        drawn = [_at_random(case, batch.images, self._parameters.seed) for case in batch.cases]
        self._measure_maps(batch, RANDOM, drawn, occlusion)
        yield
        before: dict[str, list[Map]] = {}
        for method in self._methods:
            attribution = batch.network.explain(batch.images, method)
            before[method.label] = signed(attribution)
            self._measure_maps(batch, method.label, heatmaps(attribution, batch.images, method), occlusion)
            self._measure_method(batch, method, attribution)
            yield
        if "randomization" in self._metrics:
            yield from self._randomize(batch, before)

    def _occlusion(self, batch: "_Batch") -> list[Map] | None:
        if "occlusion_correlation" not in self._metrics:
            return None
        return batch.network.heatmaps(batch.images, occlusion_for(batch.images))

    def _measure_maps(self, batch: "_Batch", label: str, maps: Sequence[Map], occlusion: Sequence[Map] | None) -> None:
        """What any map has."""
        for row, (case, heatmap) in enumerate(zip(batch.cases, maps, strict=True)):
            finding = batch.findings[row].setdefault(label, Finding())
            if case.mask is not None and case.mask.any():
                self._measure_place(finding, heatmap, case.mask)
            if case.attention and "attention_correlation" in self._metrics:
                found = [rank_correlation(heatmap, looked) for looked in case.attention]
                finding.values["attention_correlation"] = _mean(found)
            if occlusion is not None:
                finding.values["occlusion_correlation"] = rank_correlation(heatmap, occlusion[row])
            self._measure_changes(finding, batch, row, heatmap)

    def _measure_place(self, finding: Finding, heatmap: Map, mask: NDArray[np.bool_]) -> None:
        if "pointing_game" in self._metrics:
            hit = pointing_game(heatmap, mask, tolerance=self._parameters.tolerance)
            finding.values["pointing_game"] = float(hit)
        if "box_overlap" in self._metrics:
            finding.values["box_overlap"] = box_overlap(heatmap, mask)
        if "energy_inside" in self._metrics:
            finding.values["energy_inside"] = energy_inside(heatmap, mask)

    def _measure_changes(self, finding: Finding, batch: "_Batch", row: int, heatmap: Map) -> None:
        kinds: tuple[Literal["insertion", "deletion"], ...] = ("insertion", "deletion")
        for kind in kinds:
            if kind not in self._metrics:
                continue
            curve = change_curve(
                lambda images: batch.network.probability(images, row),
                batch.images[row],
                torch.from_numpy(heatmap.copy()).to(batch.images.device),
                kind=kind,
                empty=batch.empty[kind][row],
                steps=self._parameters.curve_steps,
            )
            finding.values[kind], finding.curves[kind] = curve.area, curve.values

    def _measure_method(self, batch: "_Batch", method: MeasuredMethod, attribution: Attribution) -> None:
        """What asks the method again, or of its attribution as it is."""
        parameters, network, images = self._parameters, batch.network, batch.images
        if "infidelity" in self._metrics:
            found = infidelity(
                lambda changed: network.output(changed, attribution.targets.output),
                images,
                _at_pixels(attribution.values, images),
                noise=parameters.noise,
                samples=parameters.samples,
                seed=parameters.seed,
            )
            batch.put(method.label, "infidelity", found.tolist())
        if "max_sensitivity" in self._metrics:
            found = max_sensitivity(
                lambda changed: network.explain(changed, method).values,
                images,
                radius=parameters.radius,
                samples=parameters.samples,
                seed=parameters.seed,
            )
            batch.put(method.label, "max_sensitivity", found.tolist())

    def _randomize(self, batch: "_Batch", before: dict[str, list[Map]]) -> Iterator[None]:
        """The same explanations of networks that have unlearned ever more."""
        curves: dict[str, list[list[float]]] = defaultdict(list)
        for changed in staged(self._model, self._parameters):
            network = replace(batch.network, module=_with_words(changed, batch.cases[0], self._model))
            for method in self._methods:
                after = network.signed(batch.images, method)
                curves[method.label].append(list(map(_likeness, before[method.label], after)))
            yield
        for label, of_stages in curves.items():
            batch.put(label, "randomization", of_stages[-1])
            for finding, curve in zip(batch.findings, zip(*of_stages, strict=True), strict=True):
                finding[label].curves["randomization"] = curve


@dataclass(eq=False)
class _Batch:
    """Cases that go through the network together."""

    network: AskedNetwork
    images: Tensor
    """[N, 3, H, W], preprocessed."""
    cases: Sequence[Case]
    findings: Sequence[Findings]

    @cached_property
    def empty(self) -> Mapping[str, Tensor]:
        """What stands where there is no picture, [N, 3, H, W], by the kind of curve. As the paper has them: nothing but
        colour for deletion, the picture without its detail for insertion."""
        batch = Batch(self.network.module, self.images, Targets(self.network.each), self.network.preprocessing)
        return {
            "insertion": empty_pictures(batch, FillParameters(fill="blur")),
            "deletion": empty_pictures(batch, FillParameters(fill="zero")),
        }

    def put(self, label: str, metric: str, values: Sequence[float]) -> None:
        for finding, value in zip(self.findings, values, strict=True):
            finding[label].values[metric] = value


def asked(model: Model, cases: Sequence[Case], progress: Progress = unwatched) -> tuple[AskedNetwork, Tensor]:
    """A model with what is asked of some cases, all with the same words, and their pictures, preprocessed."""
    images = model.preprocessing.normalize(torch.stack([case.image for case in cases]).to(model.device))
    module = _with_words(_learned(model), cases[0], model)
    with torch.no_grad():
        targets = Targets(tuple(case.target for case in cases)).resolve(module(images))
    each = tuple(target for target in targets.each if not isinstance(target, UnitTarget))
    return AskedNetwork(module, each, model.preprocessing, model.task == "caption", progress), images


def occlusion_for(images: Tensor) -> MeasuredMethod:
    """Occlusion with a window of a seventh of the shorter side, as 32 of 224 pixels are."""
    window = max(2, min(images.shape[2:]) // 7)
    return MeasuredMethod("occlusion", "occlusion", {"window": window, "stride": window // 2})


def stage_names(model: Model, parameters: EvaluationParameters) -> list[str]:
    """What the stages are called: the last layer whose weights were drawn anew."""
    layers = with_weights(_learned(model))
    return [layers[-place][0] for place in _stages(len(layers), parameters)]


def staged(model: Model, parameters: EvaluationParameters) -> Iterator[nn.Module]:
    """Some stages of the cascade, evenly over it, the last without any trained weight."""
    network = _learned(model)
    wanted = _stages(len(with_weights(network)), parameters)
    for place, (_, changed) in enumerate(cascade(network, seed=parameters.seed), 1):
        if place in wanted:
            yield changed


def _stages(layers: int, parameters: EvaluationParameters) -> list[int]:
    """How many layers are drawn anew at each stage."""
    count = parameters.stages
    return sorted({max(1, round((number + 1) * layers / count)) for number in range(count)})


def _learned(model: Model) -> nn.Module:
    return model.module if model.network is None else model.network


def _batches(cases: Sequence[Case]) -> Iterator[list[int]]:
    """Rows that may go together: they have the same words, and read the same output."""
    rows: list[int] = []
    for row, case in enumerate(cases):
        first = cases[rows[0]] if rows else case
        fits = case.words == first.words and Targets.kind(case.target) == Targets.kind(first.target)
        if rows and (not fits or len(rows) == MOST_AT_ONCE):
            yield rows
            rows = []
        rows.append(row)
    if rows:
        yield rows


def _with_words(network: nn.Module, case: Case, model: Model) -> nn.Module:
    if not case.words:
        return network
    return Given(network, torch.tensor([case.words], device=model.device))


def _at_random(case: Case, images: Tensor, seed: int) -> Map:
    """The same wherever the case is measured."""
    height, width = images.shape[2:]
    return np.random.default_rng([seed, case.number]).random((height, width), np.float32)


def _at_pixels(values: Tensor, images: Tensor) -> Tensor:
    """An attribution of a layer's grid, upsampled to the picture's."""
    if values.shape[2:] == images.shape[2:]:
        return values
    return functional.interpolate(values, images.shape[2:], mode="bilinear", align_corners=False)


def _likeness(one: Map, other: Map) -> float:
    """At the maps' own size: what guided backprop keeps are the finest lines, with their signs."""
    return rank_correlation(one, other, grid=min(one.shape))


def _mean(values: Sequence[float]) -> float:
    """Of those that there are; NaN where there are none."""
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")
