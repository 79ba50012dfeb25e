"""The dashboard and the alerts ask for metrics that the processes really have."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from convscope.client import ClientError
from convscope.services.attribution import metrics as attribution_metrics
from convscope.services.common.telemetry import metrics as common_metrics
from convscope.workers import metrics as worker_metrics
from tests.processes import wait_until
from tests.telemetry.cluster import ObservedCluster, metrics
from tests.telemetry.promql import Wrong, labels

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "deploy" / "kubernetes" / "components" / "monitoring"
DASHBOARD = json.loads((MONITORING / "dashboard.json").read_text())
ALERTS = yaml.safe_load((MONITORING / "alerts.yaml").read_text())["spec"]["groups"]
RULES = [rule for group in ALERTS for rule in group["rules"]]
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
SUFFIXES = ("", "_total", "_bucket", "_sum", "_count")


def expressions() -> Iterator[tuple[str, str]]:
    """Each with where it stands."""
    for panel in PANELS:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for rule in RULES:
        yield rule["alert"], rule["expr"]


@pytest.fixture(scope="module")
def known(cluster: ObservedCluster) -> Mapping[str, frozenset[str]]:
    """The series of all pages, with their labels, after each kind of thing has happened."""
    cluster.ask()
    with pytest.raises(ClientError):
        cluster.client.model("nothing")
    id = cluster.jobs.visualize(model="slow", steps=100)
    cluster.jobs.wait_for_end(id)
    wait_until(lambda: cluster.worker.metric("convscope_worker_attempts_total") >= 1, "the attempt to be counted")
    wait_until(lambda: cluster.jobs.server.metric("convscope_jobs_ended_total") >= 1, "the end to be told")
    found: dict[str, frozenset[str]] = {}
    for process in cluster.processes.values():
        for family in metrics(process).values():
            for suffix in SUFFIXES:
                # The page names also what has not happened yet; how that is labelled, the code says.
                found.setdefault(family.name + suffix, declared().get(family.name, frozenset()))
            for sample in family.samples:
                found[sample.name] = found.get(sample.name, frozenset()) | frozenset(sample.labels)
    return found


def declared() -> dict[str, frozenset[str]]:
    """Labels that a metric has once it has a sample."""
    modules = (attribution_metrics, common_metrics, worker_metrics)
    made = [one for module in modules for one in vars(module).values() if hasattr(one, "_labelnames")]
    gpus = dict.fromkeys(
        ("convscope_gpu_memory_used_bytes", "convscope_gpu_memory_bytes", "convscope_gpu_utilization_ratio"),
        frozenset({"gpu"}),
    )
    return {one._name: frozenset(one._labelnames) for one in made} | gpus


@pytest.mark.parametrize(("where", "expression"), list(expressions()), ids=lambda value: value[:60])
def test_what_is_asked_for_is_there(where: str, expression: str, known: Mapping[str, frozenset[str]]) -> None:
    assert labels(expression, known) is not None


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: str(panel["title"]))
def test_a_legend_names_labels_that_the_answer_has(panel: dict[str, Any], known: Mapping[str, frozenset[str]]) -> None:
    for target in panel["targets"]:
        named = set(re.findall(r"{{\s*(\w+)\s*}}", target["legendFormat"]))
        assert named <= labels(target["expr"], known)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_an_alert_names_labels_that_it_has(rule: dict[str, Any], known: Mapping[str, frozenset[str]]) -> None:
    text = "".join(rule["annotations"].values())
    assert set(re.findall(r"\$labels\.(\w+)", text)) <= labels(rule["expr"], known)
    assert rule["annotations"].keys() == {"summary", "description"}
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert re.fullmatch(r"\d+m", rule["for"])


@pytest.mark.parametrize(
    ("expression", "fault"),
    [
        ("convscope_callz_total", "there is no"),
        ('convscope_calls_total{status="OK"}', "no label status"),
        ("sum by (model) (convscope_calls_total)", "not there"),
        ("sum by (rpc) (max by (code) (convscope_calls_total))", "not there"),
        ("sum by (rpc) (convscope_calls_total) / sum(convscope_calls_total)", "never meet"),
        ("histogram_quantile(0.9, sum by (rpc) (rate(convscope_call_seconds_bucket[5m])))", "histogram_quantile"),
        ("rate(convscope_calls_total)", "expected"),
        ("sum by (rpc (", "unclosed"),
    ],
)
def test_a_wrong_expression_is_seen(expression: str, fault: str, known: Mapping[str, frozenset[str]]) -> None:
    with pytest.raises(Wrong, match=fault):
        labels(expression, known)


def test_every_metric_of_ours_is_looked_at_somewhere(known: Mapping[str, frozenset[str]]) -> None:
    """What nobody looks at need not be counted."""
    asked = " ".join(expression for _, expression in expressions())
    ours = {re.sub(r"_(total|bucket|sum|count)$", "", name) for name in known if name.startswith("convscope_")}
    ours = {name for name in ours if not name.endswith("_created")}
    assert sorted(name for name in ours if name not in asked) == []


def test_operations_say_what_to_do_about_each_alert() -> None:
    text = (ROOT / "docs" / "operations.md").read_text()
    named = re.findall(r"^\| `(Convscope\w+)` \|", text, flags=re.MULTILINE)
    assert named == [rule["alert"] for rule in RULES]


def test_the_dashboards_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    assert all(panel["description"] for panel in PANELS)
