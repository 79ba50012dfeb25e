"""The command line, as a person or a script runs it."""

import json
import os
import pty
import re
import shutil
import signal
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from PIL import Image

from convscope.client import Attribution, Classes, Client, Unit, Variant
from convscope.client.client import LONG_TIMEOUT
from convscope.v1.attribution_service_pb2 import ClassifyResponse
from tests.clients.answers import assert_close
from tests.clients.conftest import Ask
from tests.clients.names import LITE, RESNET, UNLOADED
from tests.clients.sheets import assert_same_sheet
from tests.clients.stand_in import EndlessProgress, StandIn, Waiting, standing_in
from tests.clients.terminal import CONVSCOPE, SECONDS, Run, assert_one_sentence, output
from tests.processes import ServerProcess, free_port, wait_until

COMMANDS = (
    "attribute",
    "compare",
    "analyze-failure",
    "classify",
    "caption",
    "answer",
    "filters",
    "activations",
    "embed",
    "visualize-class",
    "visualize-channel",
    "dream",
    "invert",
    "adversarial",
    "fool",
    "recipes",
    "recipe-table",
    "prior",
    "collection",
    "evaluate",
    "jobs",
    "models",
    "layers",
    "load",
    "unload",
    "serve",
    "up",
    "config",
    "demo",
)
# Options, and the target that they name.
TARGETS: dict[tuple[str, ...], Any] = {
    ("-t", "tabby"): "tabby",
    ("-t", "tabby", "-t", "282"): Classes(["tabby", 282]),
    ("--target", "tabby", "--minus", "tiger cat", "--minus", "285"): Classes("tabby", [282, 285]),
    ("--output-of-class", "probability"): Classes(output="probability"),
    ("-t", "281", "--output-of-class", "log_probability"): Classes(281, output="log_probability"),
    ("--unit", "head:3"): Unit("head", 3),
    ("--unit", "head:3:2,5"): Unit("head", 3, (2, 5)),
}
# What stands behind -p, and what it means.
PARAMETERS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "occlusion": (
        ("fill_color=0.5,0.25,1", "window=56", "stride=56"),
        {"fill_color": [0.5, 0.25, 1], "window": 56, "stride": 56},
    ),
    "integrated_gradients": (("steps=3", "fill=mean"), {"steps": 3, "fill": "mean"}),
    "smooth_grad": (
        ("samples=2", "stdev=0.2", "base_method=saliency"),
        {"samples": 2, "stdev": 0.2, "base_method": "saliency"},
    ),
    "grad_cam": (("counterfactual=True", "layer=blocks.10"), {"counterfactual": True, "layer": "blocks.10"}),
}


@pytest.fixture
def folder(tmp_path: Path, cat_path: Path, cat_jpeg: bytes) -> Path:
    shutil.copy(cat_path, tmp_path / "cat.png")
    (tmp_path / "broken.jpg").write_bytes(cat_jpeg[:3000])
    return tmp_path


@pytest.fixture
def run(folder: Path) -> Run:
    def convscope(*arguments: str | Path | bytes, **environment: str) -> subprocess.CompletedProcess[str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        return subprocess.run(
            [CONVSCOPE, *arguments], cwd=folder, env=kept | environment, capture_output=True, text=True,
            timeout=SECONDS, check=False,
        )  # fmt: skip

    return convscope


@pytest.fixture
def convscope(server: ServerProcess, run: Run) -> Run:
    """`run` with the shared server in CONVSCOPE_SERVER."""

    def with_server(*arguments: str | Path | bytes, **environment: str) -> subprocess.CompletedProcess[str]:
        return run(*arguments, **{"CONVSCOPE_SERVER": server.address, **environment})

    return with_server


def test_attribute_writes_the_overlay_beside_the_photograph(
    convscope: Run, folder: Path, explained: Attribution
) -> None:
    result = convscope("attribute", "cat.png")
    assert output(result) == f"{explained.target}: grad_cam at {explained.layer} -> cat.grad_cam.png\n"
    assert_same_drawing(folder / "cat.grad_cam.png", explained)


def test_attribute_takes_a_label_or_an_index_for_its_target(convscope: Run, ask: Ask, folder: Path) -> None:
    tabby = ask(folder / "cat.png", target="tabby")
    for number, target in enumerate(("tabby", "Tabby", "281")):
        result = convscope("attribute", "cat.png", "--target", target, "--output", f"{number}.png")
        assert output(result).startswith("tabby ")
        assert_same_drawing(folder / f"{number}.png", tabby)


def test_attribute_looks_at_a_layer_with_parameters_and_writes_values(convscope: Run, ask: Ask, folder: Path) -> None:
    result = convscope("attribute", "cat.png", "--layer", "blocks.10", "-p", "relu=false", "-t", "281", "-o", "why.npy")
    assert "grad_cam at blocks.10 -> why.npy" in output(result)
    values = np.load(folder / "why.npy")
    assert values.min() < 0
    assert_close(values, ask(folder / "cat.png", target=281, layer="blocks.10", relu=False).values)


def test_attribute_asks_another_model_with_another_method(convscope: Run, ask: Ask, folder: Path) -> None:
    result = convscope("attribute", "cat.png", "--method", "saliency", "-m", RESNET, "-p", "abs=FALSE", "-o", "a.npy")
    assert ": saliency -> a.npy" in output(result)
    expected = ask(folder / "cat.png", model=RESNET, method="saliency", abs=False)
    assert_close(np.load(folder / "a.npy"), expected.values)


@pytest.mark.parametrize("options", TARGETS, ids=" ".join)
def test_attribute_explains_any_kind_of_target(
    convscope: Run, ask: Ask, folder: Path, options: tuple[str, ...]
) -> None:
    line = output(convscope("attribute", "cat.png", "-p", "relu=false", *options, "-o", "why.npy"))
    answer = ask(folder / "cat.png", target=TARGETS[options], relu=False)
    assert line == f"{answer}: grad_cam at head -> why.npy\n"
    assert_close(np.load(folder / "why.npy"), answer.values)


@pytest.mark.parametrize("method", PARAMETERS)
def test_attribute_takes_parameters_of_any_type(convscope: Run, ask: Ask, folder: Path, method: str) -> None:
    texts, parameters = PARAMETERS[method]
    options = [word for text in texts for word in ("-p", text)]
    output(convscope("attribute", "cat.png", "--method", method, *options, "-o", "why.npy"))
    assert_close(np.load(folder / "why.npy"), ask(folder / "cat.png", method=method, **parameters).values)


def test_attribute_names_the_precision_of_the_network(convscope: Run, folder: Path, explained: Attribution) -> None:
    output(convscope("attribute", "cat.png", "--precision", "float32", "-o", "why.npy"))
    assert_close(np.load(folder / "why.npy"), explained.values)


def test_a_long_method_shows_its_progress_on_a_terminal_only(server: ServerProcess, run: Run, folder: Path) -> None:
    long = ("attribute", "cat.png", "--method", "integrated_gradients", "-p", "steps=40", "--server", server.address)
    assert run(*long).stderr == ""
    shown = on_a_terminal(*long, folder=folder)
    assert "integrated_gradients" in shown
    assert "100%" in shown
    quick = on_a_terminal("attribute", "cat.png", "--method", "saliency", "--server", server.address, folder=folder)
    assert "saliency" not in quick
    assert "%" not in quick


def test_an_error_on_a_terminal_stands_below_no_bar(server: ServerProcess, folder: Path) -> None:
    shown = on_a_terminal("attribute", "cat.png", "-t", "taby", "--server", server.address, folder=folder, status=1)
    assert "error:" in shown
    assert "unknown class 'taby'" in shown
    assert "%" not in shown


def test_compare_writes_every_method_for_every_target_on_one_sheet(
    convscope: Run, client: Client, folder: Path
) -> None:
    methods, targets = ("saliency", "grad_cam"), ("tabby", "282")
    options = [*(f"--method={method}" for method in methods), *(f"--target={target}" for target in targets)]
    lines = output(convscope("compare", "cat.png", *options, "-m", LITE)).splitlines()
    variants = [
        Variant("saliency", target="tabby"), Variant("grad_cam", target="tabby"),
        Variant("saliency", target=282), Variant("grad_cam", target=282),
    ]  # fmt: skip
    answers = client.compare(folder / "cat.png", variants, model=LITE)
    assert lines == [
        f"{answers[0]}: saliency", f"{answers[1]}: grad_cam at head",
        f"{answers[2]}: saliency", f"{answers[3]}: grad_cam at head",
        "-> cat.compare.png",
    ]  # fmt: skip
    with Image.open(folder / "cat.compare.png") as sheet:
        assert_same_sheet(sheet, answers.contact_sheet())


def test_compare_has_five_methods_where_none_is_named(convscope: Run, client: Client, folder: Path) -> None:
    how = ("--opacity", "0.3", "--colormap", "magma", "--precision", "float32", "-o", "a.webp", "-m", RESNET)
    lines = output(convscope("compare", "cat.png", *how)).splitlines()
    methods = ["saliency", "guided_backprop", "grad_cam", "guided_grad_cam", "occlusion"]
    answers = client.compare(folder / "cat.png", methods, model=RESNET)
    layers = ["", "", " at layer4", " at layer4", ""]
    assert lines[:-1] == [f"{answers[0]}: {method}{at}" for method, at in zip(methods, layers, strict=True)]
    with Image.open(folder / "a.webp") as sheet:
        assert (sheet.format, sheet.size) == ("WEBP", answers.contact_sheet().size)


@pytest.mark.parametrize(("truth", "verdict"), [("tabby", "wrong"), ("281", "wrong"), ("tiger cat", "right")])
def test_analyze_failure_says_who_is_right_and_writes_both(
    convscope: Run, client: Client, folder: Path, truth: str, verdict: str
) -> None:
    line = output(convscope("analyze-failure", "cat.png", "--truth", truth))
    analysis = client.analyze_failure(folder / "cat.png", 281 if truth == "281" else truth, model=LITE)
    assert analysis.correct == (verdict == "right")
    assert line == f"{verdict}: said {analysis.said}, truth {analysis.truth} -> cat.failure.png\n"
    with Image.open(folder / "cat.failure.png") as sheet:
        assert_same_sheet(sheet, analysis.contact_sheet())


def test_analyze_failure_takes_a_method_with_parameters(convscope: Run, client: Client, folder: Path) -> None:
    options = ("--method", "occlusion", "-p", "window=112", "-p", "stride=112", "-p", "fill_color=1,1,1")
    drawn = ("--opacity", "0.3", "--colormap", "magma", "--precision", "float32", "-m", RESNET, "-o", "a.png")
    output(convscope("analyze-failure", "cat.png", "--truth", "0", *options, *drawn))
    how: dict[str, Any] = {"method": "occlusion", "window": 112, "stride": 112, "fill_color": [1, 1, 1]}
    analysis = client.analyze_failure(folder / "cat.png", 0, model=RESNET, **how)
    with Image.open(folder / "a.png") as sheet:
        assert_same_sheet(sheet, analysis.contact_sheet(opacity=0.3, colormap="magma"))


def test_attribute_draws_with_opacity_and_colour_map(convscope: Run, folder: Path, explained: Attribution) -> None:
    output(convscope("attribute", "cat.png", "--opacity", "0.3", "--colormap", "magma", "-o", "a.png"))
    with Image.open(folder / "a.png") as drawn:
        assert drawn.tobytes() == explained.overlay(opacity=0.3, colormap="magma").tobytes()


def test_classify_lists_the_classes_best_first(convscope: Run, explained: Attribution) -> None:
    lines = output(convscope("classify", "cat.png", "--top-k", "3")).splitlines()
    expected = [f"{one.label}  ({one.index})" for one in explained.predictions[:3]]
    assert [re.sub(r"^ *\d+\.\d\d%  ", "", line) for line in lines] == expected


def test_classify_prints_json(convscope: Run, explained: Attribution) -> None:
    found = json.loads(output(convscope("classify", "cat.png", "--json")))
    assert [(one["index"], one["label"]) for one in found] == [(one.index, one.label) for one in explained.predictions]
    assert [one["probability"] for one in found] == pytest.approx([one.probability for one in explained.predictions])


def test_models_lists_the_catalogue(convscope: Run, client: Client) -> None:
    lines = output(convscope("models")).splitlines()
    for model in client.models():
        assert any(line.split()[:2] == [model.name, model.state] for line in lines), model.name


def test_models_prints_json(convscope: Run, client: Client) -> None:
    found = json.loads(output(convscope("models", "--json")))
    assert [(one["name"], one["state"]) for one in found] == [(one.name, one.state) for one in client.models()]


def test_layers_lists_every_name_whole_and_marks_the_suggested_one(convscope: Run, client: Client) -> None:
    model = client.model(LITE)
    lines = [line.split() for line in output(convscope("layers", LITE)).splitlines()]
    names = [words[0] for words in lines if words]
    missing = [layer.name for layer in model.layers if layer.name not in names]
    assert missing == []
    assert [words[0] for words in lines if words and words[-1] == "suggested"] == [model.suggested_layer]


def test_layers_prints_json(convscope: Run, client: Client) -> None:
    found = json.loads(output(convscope("layers", RESNET, "--json")))
    expected = [(one.name, one.type, list(one.output_shape)) for one in client.layers(RESNET)]
    assert [(one["name"], one["type"], one["output_shape"]) for one in found] == expected


def test_layers_of_an_unloaded_model_says_how_to_load_it(convscope: Run) -> None:
    assert "convscope load vgg16" in assert_one_sentence(convscope("layers", "vgg16"))


def test_a_model_is_loaded_and_unloaded(convscope: Run) -> None:
    assert output(convscope("load", UNLOADED)) == f"{UNLOADED} is loaded on cpu\n"
    assert output(convscope("unload", UNLOADED)) == f"{UNLOADED} is unloaded\n"


def test_server_is_an_option_of_every_command_and_wins(run: Run, server: ServerProcess) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    assert output(run("classify", "cat.png", "--server", server.address, CONVSCOPE_SERVER=nobody))
    assert output(run("models", "--server", server.address, CONVSCOPE_SERVER=nobody))


def test_the_token_of_the_environment_is_sent(run: Run) -> None:
    tokens: list[object] = []

    def note(call: int, context: grpc.ServicerContext) -> ClassifyResponse:
        tokens.append(dict(context.invocation_metadata())["authorization"])
        return ClassifyResponse()

    with standing_in(StandIn(answer=note)) as server:
        assert output(run("classify", "cat.png", CONVSCOPE_SERVER=server.address, CONVSCOPE_TOKEN="secret")) == ""
    assert tokens == ["Bearer secret"]


def test_the_timeout_is_an_option_or_of_the_environment(run: Run) -> None:
    with standing_in(StandIn(answer=Waiting())) as server:
        assert_one_sentence(run("classify", "cat.png", "--timeout", "0.2", CONVSCOPE_SERVER=server.address))
        assert_one_sentence(run("classify", "cat.png", CONVSCOPE_TIMEOUT="0.2", CONVSCOPE_SERVER=server.address))


def test_a_long_method_has_the_timeout_that_is_said_and_else_ten_minutes(run: Run, folder: Path) -> None:
    stream = EndlessProgress()
    long = ("attribute", "cat.png", "--method", "rise")
    with standing_in(StandIn(stream=stream)) as server:
        assert_one_sentence(run(*long, "--timeout", "1.5", CONVSCOPE_SERVER=server.address, CONVSCOPE_TIMEOUT="90"))
        assert_one_sentence(run(*long, CONVSCOPE_SERVER=server.address, CONVSCOPE_TIMEOUT="1.5"))
        unsaid = subprocess.Popen([CONVSCOPE, *long, "--server", server.address], cwd=folder, stderr=subprocess.PIPE)
        try:
            wait_until(lambda: len(stream.requests) == 3, "the third call", SECONDS)
            assert stream.seconds == pytest.approx(LONG_TIMEOUT, rel=0.02)
        finally:
            unsaid.kill()
            unsaid.communicate()


def test_version_is_that_of_the_distribution(run: Run) -> None:
    assert output(run("--version")) == f"convscope {version('convscope')}\n"


def test_help_lists_every_command(run: Run) -> None:
    text = output(run("--help"))
    assert [command for command in COMMANDS if not re.search(rf"^  {command} ", text, re.MULTILINE)] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(run: Run, command: str) -> None:
    assert re.match(r"(?i)usage: ", output(run(command, "--help")).lstrip())


@pytest.mark.parametrize(
    ("command", "options"),
    [
        (("serve", "attribution"), {"--port": "Port to listen on", "--models": "Models to load at the start"}),
        (("up",), {"--port": "Port of the gRPC services", "--data-dir": "Folder of the store's data"}),
    ],
    ids=["serve attribution", "up"],
)
def test_help_of_servers_describes_their_options(run: Run, command: tuple[str, ...], options: dict[str, str]) -> None:
    text = " ".join(output(run(*command, "--help")).split())
    assert [option for option in options if option not in text] == []
    assert [words for words in options.values() if words not in text] == []
    assert f"convscope {' '.join(command)}" in text, "the usage line names the command"


def test_serve_runs_a_server_until_sigterm(folder: Path, run: Run) -> None:
    port = str(free_port())
    log = folder / "log"
    with log.open("wb") as file:
        process = subprocess.Popen([CONVSCOPE, "serve", "attribution", "--port", port, "--threads", "2"], stderr=file)
    try:
        wait_until(lambda: b"serving" in log.read_bytes(), "the server serves", SECONDS)
        assert output(run("classify", "cat.png", "--server", f"127.0.0.1:{port}"))
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0
    finally:
        process.kill()
        process.wait()


def test_an_unknown_server_is_refused_with_the_known_ones(run: Run) -> None:
    result = run("serve", "unknown")
    assert result.returncode == 2
    assert "'unknown'; known: attribution" in result.stderr


def test_without_a_server_the_error_says_what_to_do(run: Run) -> None:
    address = f"127.0.0.1:{free_port()}"
    message = assert_one_sentence(run("models", "--server", address))
    assert address in message
    assert "convscope up" in message
    assert "--server" in message


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("classify", "missing.jpg"), "missing.jpg cannot be read: No such file"),
        (("attribute", "."), "cannot be read: Is a directory"),
        (("attribute", "broken.jpg"), "image.encoded: the picture cannot be decoded"),
        (("attribute", "cat.png", "-m", "efficientnet_lite9"), "unknown model 'efficientnet_lite9'; nearest: eff"),
        (("classify", "cat.png", "-m", "vgg16"), "vgg16 is not loaded"),
        (("attribute", "cat.png", "--method", "grad_cat"), "unknown method 'grad_cat'; known: gradient, saliency"),
        (("attribute", "cat.png", "--layer", "blocks.99"), "unknown layer 'blocks.99'; nearest: blocks."),
        (("attribute", "cat.png", "-t", "taby"), "unknown class 'taby'; nearest: tabby"),
        (("attribute", "cat.png", "-t", "1000"), "class index 1000 is out of range"),
        (("attribute", "cat.png", "-t", b"caf\xe9"), "target"),
        (("attribute", "cat.png", "-p", "relus=true"), "grad_cam has no parameter 'relus'; it has layer, relu"),
        (("attribute", "cat.png", "--method", "saliency", "--layer", "head"), "saliency has no parameter 'layer'"),
        (("attribute", "cat.png", "--colormap", "jet"), "turbo, viridis, magma"),
        (("attribute", "cat.png", "-o", "why.doc"), ".png"),
        (("attribute", "cat.png", "-o", "missing/why.png"), "missing/why.png"),
        (("attribute", "cat.png", "-t", "tabby", "-t", "taby"), "target.classes.plus[1]: unknown class 'taby'"),
        (("attribute", "cat.png", "--minus", "tabby"), "target.classes.plus: at least one class is required"),
        (("attribute", "cat.png", "--output-of-class", "logit"), "known: score, probability, log_probability"),
        (("attribute", "cat.png", "--unit", "blocks.99:3"), "target.unit.layer: unknown layer 'blocks.99'"),
        (("attribute", "cat.png", "--unit", "head:1280"), "channels 0 to 1279, not 1280"),
        (("attribute", "cat.png", "--unit", "head:3:7,0"), "7 x 7 grid"),
        (("attribute", "cat.png", "--unit", "head:99999999999"), "channel 99999999999 is out of range"),
        (("attribute", "cat.png", "--precision", "float16"), "unknown precision 'float16'; known: float32, bfloat16"),
        (
            ("attribute", "cat.png", "--method", "rise", "-p", "masks=0"),
            "masks should be greater than or equal to 1, not 0",
        ),
        (("attribute", "cat.png", "--method", "rise", "-p", "masks=99999999999"), "masks cannot be 99999999999"),
        (
            ("attribute", "cat.png", "--method", "rise", "-p", "probability=nan"),
            "probability should be a finite number, not nan",
        ),
        (("attribute", "cat.png", "--method", "occlusion", "-p", "fill_color=0.5"), "method.occlusion.fill_color"),
        (
            ("attribute", "cat.png", "--method", "gradient", "-p", "abs=true"),
            "gradient has no parameter 'abs'; it has no",
        ),
        (("compare", "missing.jpg"), "missing.jpg cannot be read: No such file"),
        (("compare", "cat.png", "--method", "saliency", "--method", "grad_cat"), "variants[1].method: unknown method"),
        (("compare", "cat.png", "--method", "saliency", "-t", "taby"), "variants[0].target: unknown class 'taby'; nea"),
        (("compare", "cat.png", *["--method=saliency"] * 33), "1 to 32 variants can be compared, not 33"),
        (("compare", "cat.png", "-o", "why.npy"), "why.npy must be the name of a picture"),
        (("compare", "cat.png", "-o", "why.doc"), "must end in one of .png, .jpg, .jpeg, .webp"),
        (("compare", "cat.png", "--method", "saliency", "--colormap", "jet"), "turbo, viridis, magma"),
        (("analyze-failure", "cat.png", "--truth", "taby"), "truth: unknown class 'taby'; nearest: tabby"),
        (("analyze-failure", "cat.png", "--truth", "1000"), "truth: class index 1000 is out of range"),
        (("analyze-failure", "cat.png", "--truth", "tabby", "--method", "grad_cat"), "unknown method 'grad_cat'"),
        (("analyze-failure", "cat.png", "--truth", "tabby", "-p", "relus=true"), "grad_cam has no parameter 'relus'"),
        (("analyze-failure", "cat.png", "--truth", "tabby", "-o", "why.npy"), "must be the name of a picture"),
        (("layers", "resnet5"), "unknown model 'resnet5'; nearest: resnet50"),
        (("load", "resnet5"), "unknown model 'resnet5'"),
        (("unload", "resnet5"), "unknown model 'resnet5'"),
        (("classify", "[/bold]missing[red].jpg"), "[/bold]missing[red].jpg cannot be read"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_an_error_is_one_sentence(convscope: Run, folder: Path, arguments: tuple[str | bytes, ...], words: str) -> None:
    before = sorted(folder.iterdir())
    assert words in assert_one_sentence(convscope(*arguments))
    assert sorted(folder.iterdir()) == before, "nothing is left behind"


@pytest.mark.parametrize(("variable", "value"), [("CONVSCOPE_TIMEOUT", "soon"), ("CONVSCOPE_TLS_CA", "/missing.pem")])
def test_a_wrong_environment_is_one_sentence(convscope: Run, variable: str, value: str) -> None:
    message = assert_one_sentence(convscope("models", **{variable: value}))
    assert variable in message or value in message


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("attribute", "cat.png", "-p", "relu"), "no name=value"),
        (("attribute", "cat.png", "-p", "relu=perhaps"), "relu cannot be 'perhaps'"),
        (("attribute", "cat.png", "-p", "=true"), "no name=value"),
        (("attribute", "cat.png", "--method", "rise", "-p", "masks=1.5"), "masks cannot be '1.5'"),
        (("attribute", "cat.png", "--method", "rise", "-p", "probability=half"), "probability cannot be 'half'"),
        (("attribute", "cat.png", "--method", "occlusion", "-p", "fill_color=red"), "fill_color cannot be 'red'"),
        (("attribute", "cat.png", "--method", "occlusion", "-p", "fill_color=1,,1"), "fill_color cannot be '1,,1'"),
        (("attribute", "cat.png", "--method", "occlusion", "-p", "fill_color="), "fill_color cannot be ''"),
        (("attribute", "cat.png", "--unit", "head"), "'head' is no LAYER:CHANNEL or LAYER:CHANNEL:ROW,COLUMN"),
        (("attribute", "cat.png", "--unit", ""), "'' is no LAYER:CHANNEL"),
        (("attribute", "cat.png", "--unit", "head:x"), "'head:x' is no LAYER:CHANNEL"),
        (("attribute", "cat.png", "--unit", "head:-1"), "'head:-1' is no LAYER:CHANNEL"),
        (("attribute", "cat.png", "--unit", "head:3:4"), "'head:3:4' is no LAYER:CHANNEL"),
        (("attribute", "cat.png", "--unit", "head:3:4,5,6"), "'head:3:4,5,6' is no LAYER:CHANNEL"),
        (("attribute", "cat.png", "--unit", "head:3", "--target", "tabby"), "a unit goes without classes"),
        (("attribute", "cat.png", "--unit", "head:3", "--minus", "tabby"), "a unit goes without classes"),
        (("attribute", "cat.png", "--unit", "head:3", "--output-of-class", "score"), "a unit goes without classes"),
        (("attribute", "cat.png", "--opacity", "2"), "--opacity"),
        (("compare", "cat.png", "--opacity", "2"), "--opacity"),
        (("analyze-failure", "cat.png"), "--truth"),
        (("analyze-failure", "cat.png", "--truth", "tabby", "-p", "relu=perhaps"), "relu cannot be 'perhaps'"),
        (("classify", "cat.png", "-k", "0"), "--top-k"),
        (("classify",), "photo"),
        (("classify", "cat.png", "--colour"), "--colour"),
        (("explain", "cat.png"), "explain"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_a_wrong_command_line_is_refused_before_any_call(run: Run, arguments: tuple[str, ...], words: str) -> None:
    result = run(*arguments, CONVSCOPE_SERVER=f"127.0.0.1:{free_port()}")
    assert result.returncode == 2
    assert result.stdout == ""
    assert words.casefold() in result.stderr.casefold()
    assert "Traceback" not in result.stderr


def on_a_terminal(*arguments: str, folder: Path, status: int = 0) -> str:
    """What `convscope ARGUMENTS` writes to standard error where that is a terminal."""
    ours, theirs = pty.openpty()
    environment = {"PATH": os.environ["PATH"], "TERM": "xterm", "COLUMNS": "100"}
    with open(ours, "rb", buffering=0) as terminal:  # noqa: PTH123 - it has no path
        process = subprocess.Popen(
            [CONVSCOPE, *arguments], cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=theirs
        )
        os.close(theirs)
        written = bytearray()
        try:
            while some := terminal.read(4096):
                written += some
        except OSError:
            pass  # Linux says so when the other end is closed
        assert process.wait(SECONDS) == status, written.decode()
    return written.decode()


def assert_same_drawing(path: Path, answer: Attribution) -> None:
    """The picture in that file is the answer's overlay, but for rounding."""
    with Image.open(path) as drawn:
        assert drawn.size == answer.overlay().size
        difference = np.asarray(drawn).astype(int) - np.asarray(answer.overlay())
    assert np.abs(difference).max() <= 1
