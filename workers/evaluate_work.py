"""How good explanations are over a collection, as a job that several workers may share."""

import json
from io import BytesIO
from typing import Any

from PIL import Image

from convscope.engine.evaluation.appraisal import asked, stage_names
from convscope.engine.evaluation.metrics import RANDOM
from convscope.engine.evaluation.report.chart import attention_chart
from convscope.engine.evaluation.report.page import report_page
from convscope.engine.evaluation.report.report import make_report
from convscope.engine.imaging.overlay import overlay
from convscope.services.common.jobs.job import File
from convscope.services.common.jobs.kinds import EVALUATE_ATTENTION
from convscope.workers.evaluation_examples import Example
from convscope.workers.evaluation_plan import EvaluationPlan
from convscope.workers.part_work import SharedWork
from convscope.workers.work import Bench, Keep

SIDE = 224
"""Of a picture on the page, pixels at most."""


class EvaluateWork(SharedWork):
    """The job: it puts together what all have found."""

    def __init__(self, bench: Bench) -> None:
        self._plan = EvaluationPlan(bench)
        self._drawn: dict[int, Example] = {}
        super().__init__(self._plan)

    def leave(self, keep: Keep) -> tuple[dict[str, Any], list[File]]:
        plan, of_attention = self._plan, self._plan.bench.lease.kind == EVALUATE_ATTENTION
        report = make_report(
            plan.bench.lease.kind,
            model=plan.model.name,
            collection=plan.collection.display_name or "Collection",
            labels=[*(method.label for method in plan.methods), RANDOM],
            metrics=plan.metrics,
            examples=self._read_parts(),
            source=plan.source if of_attention else None,
            stages=stage_names(plan.model, plan.parameters) if "randomization" in plan.metrics else (),
        )
        files = [
            keep("report.json", "application/json", json.dumps(report).encode()),
            keep("report.html", "text/html", report_page(report, self._picture).encode()),
        ]
        if of_attention:
            files.append(keep("chart.svg", "image/svg+xml", attention_chart(report).encode()))
        # First, so that no helper takes a part any more whose file would stay.
        self.shards.end(plan.bench.lease.id)
        plan.bench.artifacts.remove(f"{plan.bench.folder}/parts")
        result = {
            "collection": plan.collection.id,
            "example_count": report["example_count"],
            "source": plan.source,
            "methods": report["methods"],
        }
        return result, files

    def _read_parts(self) -> list[dict[str, Any]]:
        paths = map(self._plan.part_path, range(len(self._plan.parts)))
        return [row for path in paths for row in json.loads(self._plan.bench.artifacts.get(path))]

    def _picture(self, place: int, label: str) -> bytes:
        """An example under a method's map; under none with the outline of what is asked for. A JPEG."""
        if place not in self._drawn:
            (self._drawn[place],) = self._plan.examples.read([self._plan.numbers[place]])
        example, model = self._drawn[place], self._plan.model
        method = next((one for one in self._plan.methods if one.label == label), None)
        if method is None:
            return _jpeg(_outlined(example, model.preprocessing.region(*example.picture.size)))
        network, images = asked(model, [example.case])
        (heatmap,) = network.heatmaps(images, method)
        return _jpeg(overlay(example.picture, heatmap, model.preprocessing.region(*example.picture.size)))


def _outlined(example: Example, region: tuple[float, float, float, float]) -> Image.Image:
    """The picture, all but the thing darkened where it is known."""
    if example.case.mask is None:
        return example.picture
    left, top, right, bottom = map(round, region)
    mask = Image.fromarray(example.case.mask).resize((right - left, bottom - top))
    whole = Image.new("L", example.picture.size)
    whole.paste(mask.convert("L"), (left, top))
    darkened = Image.eval(example.picture, lambda level: level // 3)
    return Image.composite(example.picture, darkened, whole)


def _jpeg(picture: Image.Image) -> bytes:
    small = picture.copy()
    small.thumbnail((SIDE, SIDE))
    file = BytesIO()
    small.save(file, "JPEG", quality=85)
    return file.getvalue()
