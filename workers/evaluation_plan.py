"""What an evaluation measures, of which examples, in which parts."""

import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from google.protobuf.json_format import Parse

from convscope.engine.attribution.methods import find_method
from convscope.engine.evaluation.appraisal import Appraisal, Finding
from convscope.engine.evaluation.asked_network import MeasuredMethod
from convscope.engine.evaluation.parameters import EvaluationParameters
from convscope.engine.models.model import Model
from convscope.services.common.collections.records import CollectionRecords
from convscope.services.common.collections.shards import Shards, Shared
from convscope.services.common.errors import CollectionNotFound
from convscope.services.common.request_fields import set_fields, under
from convscope.v1.method_pb2 import Method
from convscope.workers.evaluation_examples import Example, Examples
from convscope.workers.part_work import PART_SECONDS, NoLongerRunning, parts_of
from convscope.workers.work import Bench

HELD_EVERY = PART_SECONDS / 5


class EvaluationPlan:
    """The same for all who work on it."""

    def __init__(self, bench: Bench) -> None:
        """Raises CollectionNotFound; UnknownModel, InvalidParameter, UnknownName, MethodUnsupported, TruthMissing."""
        spec, self.bench = bench.lease.spec, bench
        records = CollectionRecords(bench.store)
        found = records.find(spec["collection"])
        if found is None:
            raise CollectionNotFound(spec["collection"])
        self.collection = found
        self.model = bench.model(bench.lease.model)
        self.methods = [
            _method(written, self.model, f"methods[{place}]") for place, written in enumerate(spec["methods"])
        ]
        self.metrics: list[str] = spec["metrics"]
        self.source: str | None = spec["source"]
        self.parameters = EvaluationParameters.parse(spec["parameters"])
        self.numbers: list[int] = spec["numbers"]
        self.examples = Examples(
            found.id, self.model, records, bench.artifacts, annotated=spec["annotated"], source=self.source
        )
        self.parts = parts_of(0, len(self.numbers), spec["part"])
        self.shared = Shared(bench.lease.id, len(self.parts))
        self._shards = Shards(bench.store)

    def begin(self, part: int) -> "EvaluationPart":
        """Raises as Examples.read()."""
        examples = self.examples.read([self.numbers[place] for place in self.parts[part]])
        appraisal = Appraisal(
            self.model,
            [example.case for example in examples],
            self.methods,
            self.metrics,
            self.parameters,
            progress=self._holding(part),
        )
        return EvaluationPart(examples, appraisal, self.model)

    def part_path(self, part: int) -> str:
        return f"{self.bench.folder}/parts/{part:06}.json"

    def _holding(self, part: int) -> Callable[[int, int], None]:
        """Keeps a part while a method takes its time."""
        held = time.monotonic()

        def hold(done: int, total: int) -> None:
            nonlocal held
            if time.monotonic() - held < HELD_EVERY:
                return
            held = time.monotonic()
            if not self._shards.hold(self.shared, part, PART_SECONDS):
                raise NoLongerRunning

        return hold


class EvaluationPart:
    """Some examples on their way; afterwards rows of a report."""

    def __init__(self, examples: list[Example], appraisal: Appraisal, model: Model) -> None:
        self._examples = examples
        self._appraisal = appraisal
        self._model = model

    @property
    def done(self) -> int:
        return self._appraisal.done

    @property
    def over(self) -> bool:
        return self._appraisal.over

    def advance(self) -> None:
        self._appraisal.advance()

    def to_bytes(self) -> bytes:
        rows = [
            {
                "id": example.id,
                "image_number": example.image_number,
                "file_name": example.image.file_name,
                "target": example.says(target, self._model),
                "values": {label: _values(finding) for label, finding in findings.items()},
                "curves": {label: _curves(finding) for label, finding in findings.items() if finding.curves},
            }
            for example, target, findings in zip(
                self._examples, self._appraisal.targets, self._appraisal.findings, strict=True
            )
        ]
        return json.dumps(rows).encode()

    def close(self) -> None:
        """Nothing is held."""


def _method(written: str, model: Model, field: str) -> MeasuredMethod:
    message = Parse(written, Method())
    name = message.WhichOneof("kind")
    assert name is not None
    given = set_fields(getattr(message, name))
    with under(f"{field}.{name}"):
        _, parameters = find_method(name, given)
        parameters.looks_at(model.layers)
    said = ", ".join(f"{parameter}={_said(value)}" for parameter, value in given.items())
    return MeasuredMethod(f"{name}({said})" if said else name, name, given)


def _said(value: Any) -> str:
    if isinstance(value, tuple):
        return ":".join(map(_said, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _values(finding: Finding) -> dict[str, float | None]:
    return {metric: _known(value) for metric, value in finding.values.items()}


def _curves(finding: Finding) -> dict[str, list[float | None]]:
    return {metric: list(map(_known, values)) for metric, values in finding.curves.items()}


def _known(value: float) -> float | None:
    """JSON has no NaN, and no infinity."""
    return float(value) if np.isfinite(value) else None
