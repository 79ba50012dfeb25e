"""Evaluations on the command line: the tables that they print, the reports that they write."""

import re
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from convscope.client import Annotation, Collection
from convscope.client.cli.evaluation_table import _tables
from convscope.client.evaluation_plans import METRICS
from convscope.v1 import evaluation_service_pb2 as messages
from tests.clients.collections.calls import MODEL, SECONDS
from tests.clients.collections.evaluation_stand_in import CHART_SVG, REPORT_HTML
from tests.clients.collections.stand_in import CollectionStandIn, plain_png
from tests.clients.terminal import Run, assert_one_sentence, output
from tests.processes import free_port

MASK = np.ones((30, 40), bool)
TWO = ("--method", "gradient", "--method", "grad_cam")


def cells(line: str) -> list[str]:
    """Of a row of a table."""
    return re.split(r" {2,}", line.strip())


def files_of(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_methods_are_a_table_with_the_best_of_each_column_marked(
    convscope: Run, folder: Path, photos: Collection
) -> None:
    text = output(convscope("evaluate", "methods", photos.name, "-m", MODEL, *TWO))
    first, titles, wishes, gradient, cam, random, legend = text.splitlines()
    assert first == "jobs/0001: 2 methods by 3 metrics, 6 examples"
    assert cells(titles) == ["method", "pointing_game", "deletion", "randomization"]
    assert cells(wishes) == ["high is good", "low is good", "near 0 is good"]
    assert cells(gradient) == ["gradient", "0.300 ± 0.013 (6) *", "0.300 ± 0.013 (6)", "0.300 ± 0.013 (6)"]
    assert cells(cam) == ["grad_cam", "0.200 ± 0.013 (6)", "0.200 ± 0.013 (6)", "0.200 ± 0.013 (6) *"]
    assert cells(random) == ["random", "-0.050 ± 0.013 (5)", "-0.050 ± 0.013 (5) *"]
    assert legend == "* the best of its column; in brackets: examples that have a value"
    assert files_of(folder) == []


def test_what_is_equally_good_is_marked_alike(convscope: Run, kept: CollectionStandIn, photos: Collection) -> None:
    def succeed(name: str) -> None:
        kept.succeed(name)
        response: Any = kept.records[name].response
        for one in response.methods:
            one.estimates[0].mean = 1.0
            one.estimates[1].count, one.estimates[1].mean = 0, float("nan")

    kept.work = succeed
    options = ("--metric", "pointing_game", "--metric", "box_overlap")
    rows = output(convscope("evaluate", "methods", photos.name, "-m", MODEL, *TWO, *options)).splitlines()[3:-1]
    assert [cells(row)[1:] for row in rows] == [
        ["1.000 ± 0.013 (6) *", "none (0)"],
        ["1.000 ± 0.013 (6) *", "none (0)"],
        ["1.000 ± 0.013 (5) *", "none (0)"],
    ]


def test_a_metric_that_only_newer_servers_know_has_no_best(
    convscope: Run, kept: CollectionStandIn, photos: Collection
) -> None:
    newest: Any = 4711

    def succeed(name: str) -> None:
        kept.succeed(name)
        response: Any = kept.records[name].response
        for one in response.methods:
            one.estimates[0].metric = newest

    kept.work = succeed
    text = output(convscope("evaluate", "methods", photos.name, "-m", MODEL, *TWO, "--metric", "deletion"))
    assert cells(text.splitlines()[1]) == ["method", "4711"]
    assert text.count("*") == 1, "that of the legend"


def test_all_options_are_passed_on(convscope: Run, kept: CollectionStandIn, photos: Collection) -> None:
    options = "--metric deletion --metric insertion --limit 4 --seed 7 --priority 2"
    output(convscope("evaluate", "methods", photos.name, "--model", MODEL, "--method", "rise", *options.split()))
    output(convscope("evaluate", "methods", photos.name.removeprefix("collections/"), "-m", MODEL))
    photos.annotate(Annotation("q", 0, mask=MASK))
    options = "--limit 4 --seed 7 --priority 2"
    output(convscope("evaluate", "attention", photos.name, "-m", MODEL, "--method", "rise", *options.split()))
    output(convscope("evaluate", "attention", photos.name, "-m", MODEL))
    for request in kept.requests:
        assert (request.collection, request.model) == (photos.name, f"models/{MODEL}")
    given, default, attention, attention_default = kept.requests
    assert list(given.metrics) == [messages.METRIC_DELETION, messages.METRIC_INSERTION]
    assert list(default.metrics) == []
    for request in (given, attention):
        assert [one.WhichOneof("kind") for one in request.methods] == ["rise"]
        assert (request.limit, request.seed, request.options.priority) == (4, 7, 2)
    for request in (default, attention_default):
        names = [one.WhichOneof("kind") for one in request.methods]
        assert names == ["grad_cam", "guided_grad_cam", "guided_backprop", "gradient"]
        assert (request.limit, request.seed) == (0, 0)


def test_attention_is_the_table_of_papers(
    convscope: Run, kept: CollectionStandIn, folder: Path, photos: Collection
) -> None:
    photos.annotate([Annotation(id, number, mask=MASK) for number, id in enumerate("abcd")])
    first, *_ = output(convscope("evaluate", "attention", photos.name, "-m", MODEL, *TWO)).splitlines()
    words = "compared with the masks, the truth, for there are no attention maps of people"
    assert first == f"jobs/0001: 2 methods, 4 examples, {words}"
    (folder / "maps").mkdir()
    for name in ("a_1.png", "a_2.png", "b_1.png", "c.png", "stranger_1.png"):
        (folder / "maps" / name).write_bytes(plain_png(1))
    result = convscope("evaluate", "attention", photos.name, "-m", MODEL, *TWO, "--maps", "maps", "-o", "deep/report")
    assert result.stderr.splitlines() == [
        "stranger_1.png: there is no annotation of that name",
        f"{photos.name}: 4 attention maps added, 1 broken",
    ]
    first, titles, gradient, cam, random, last = output(result).splitlines()
    assert first == "jobs/0002: 2 methods, 3 examples, compared with where people looked"
    assert cells(titles) == ["Method", "Rank correlation", "Standard error", "n"]
    assert cells(gradient) == ["gradient", "0.300", "0.013", "3"]
    assert cells(cam) == ["grad_cam", "0.200", "0.013", "3"]
    assert cells(random) == ["random (base line)", "-0.050", "0.013", "2"]
    assert last == "-> deep/report"
    assert files_of(folder / "deep" / "report") == ["chart.svg", "report.html", "report.json"]
    assert (folder / "deep" / "report" / "chart.svg").read_text(encoding="utf-8") == CHART_SVG
    assert [one.attention_map.file_name for one in kept.annotation_uploads[-1][1:]] == files_of(folder / "maps")


def test_detached_evaluations_are_followed_and_read_by_their_names(
    convscope: Run, kept: CollectionStandIn, folder: Path, photos: Collection
) -> None:
    kept.work = None
    photos.annotate(Annotation("q", 0, mask=MASK))
    (folder / "maps").mkdir()
    (folder / "maps" / "q.png").write_bytes(plain_png(1))
    how = (photos.name, "-m", MODEL, "--method", "gradient", "--detach")
    assert output(convscope("evaluate", "methods", *how)) == "jobs/0001\n"
    assert output(convscope("evaluate", "attention", *how, "--maps", "maps")) == "jobs/0002\n"
    for number in (1, 2):
        kept.run(f"jobs/000{number}")
        line = output(convscope("jobs", "watch", f"000{number}"))
        assert line == f"jobs/000{number} is succeeded, 4 of 4 steps\n"
    first, *_ = output(convscope("jobs", "result", "0001", "-o", "report")).splitlines()
    assert first == "jobs/0001: 1 method by 3 metrics, 6 examples"
    assert files_of(folder / "report") == ["report.html", "report.json"]
    assert (folder / "report" / "report.html").read_text(encoding="utf-8") == REPORT_HTML
    first, *_ = output(convscope("jobs", "result", "0002")).splitlines()
    assert first == "jobs/0002: 1 method, 1 example, compared with where people looked"
    assert files_of(folder) == ["maps", "report"]
    assert "evaluate_methods" in output(convscope("jobs", "list", "--kind", "evaluate_methods"))


def test_a_narrow_terminal_has_a_table_for_as_many_metrics_as_have_room(photos: Collection) -> None:
    found = photos.evaluate_methods(model=MODEL, methods=["gradient", "grad_cam"], metrics=list(METRICS)).result(
        SECONDS
    )
    console = Console(file=StringIO(), width=80)
    tables = list(_tables(found, console))
    assert len(tables) > 1
    titles: list[str] = []
    for table in tables:
        with console.capture() as capture:
            console.print(table)
        lines = capture.get().splitlines()
        assert len(lines) == 5, "no row is broken"
        assert max(map(len, lines)) <= 80
        method, *metrics = cells(lines[0])
        assert [cells(line)[0] for line in lines[2:]] == ["gradient", "grad_cam", "random"]
        titles += metrics
        assert method == "method"
    assert titles == list(METRICS)


def test_a_pipe_has_one_table_however_wide(convscope: Run, photos: Collection) -> None:
    metrics = [option for name in METRICS for option in ("--metric", name)]
    lines = output(convscope("evaluate", "methods", photos.name, "-m", MODEL, *TWO, *metrics)).splitlines()
    assert (len(lines), cells(lines[1])) == (7, ["method", *METRICS])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("methods", "nobody", "-m", MODEL), "there is no collections/nobody"),
        (("methods", "0001", "-m", MODEL, "--method", "smile"), "methods[0]: unknown method 'smile'; known: gradient"),
        (("methods", "0001", "-m", MODEL, "--metric", "beauty"), "metrics[0] must be one of pointing_game"),
        (("methods", "0001", "-m", MODEL, "-o", "file"), "output: file is no folder"),
        (("attention", "0001", "-m", MODEL, "-o", "file"), "output: file is no folder"),
        (("attention", "0001", "-m", MODEL, "--maps", "no"), "maps: the folder no cannot be read: No such file"),
        (("attention", "0001", "-m", MODEL, "--maps", "empty"), "maps: there is no map, a PNG, in empty"),
        (("attention", "0001", "-m", MODEL, "--limit", "99999999999"), "limit 99999999999 is out of range"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
@pytest.mark.usefixtures("photos")
def test_an_error_is_one_sentence(
    convscope: Run, kept: CollectionStandIn, folder: Path, arguments: tuple[str, ...], words: str
) -> None:
    (folder / "file").write_bytes(b"")
    (folder / "empty").mkdir()
    assert words in assert_one_sentence(convscope("evaluate", *arguments))
    assert (kept.records, kept.annotation_uploads) == ({}, []), "nothing was begun"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("methods", "0001"), "--model"),
        (("attention", "0001"), "--model"),
        (("methods", "-m", MODEL), "name"),
        (("attention", "0001", "-m", MODEL, "--limit", "few"), "--limit"),
        (("beauty", "0001"), "beauty"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_wrong_command_line_is_refused_before_any_call(
    convscope: Run, arguments: tuple[str, ...], words: str
) -> None:
    result = convscope("evaluate", *arguments, CONVSCOPE_SERVER=f"127.0.0.1:{free_port()}")
    assert (result.returncode, result.stdout) == (2, "")
    assert words.casefold() in result.stderr.casefold()
