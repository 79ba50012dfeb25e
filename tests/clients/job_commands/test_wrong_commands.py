"""What is said of wrong commands, and of jobs that fail."""

from pathlib import Path

import pytest
from google.rpc import code_pb2

from tests.clients.job_stand_in import JobStandIn
from tests.clients.terminal import (
    Run,
    assert_one_sentence,
)
from tests.processes import free_port


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("visualize-class", "tabby", "-o", "why.doc"), "why.doc must end in one of .png, .npy, .gif, .json"),
        (("visualize-class", "tabby", "-o", "missing/why.png"), "there is no folder missing"),
        (("visualize-class", "281", "taby"), "targets[1]: unknown class 'taby'; nearest: tabby"),
        (("dream", "missing.jpg"), "missing.jpg cannot be read"),
        (("dream", "cat.png", "--guide", "missing.jpg"), "guide: the picture missing.jpg cannot be read"),
        (("dream", "cat.png", "-o", "dream.jpg"), "dream.jpg must end in one of"),
        (("visualize-class", "tabby", "--start", "missing.jpg"), "missing.jpg cannot be read"),
        (
            ("visualize-class", "tabby", "-p", "stepz=3"),
            "parameters.stepz: a synthesis has no parameter 'stepz'; it has",
        ),
        (("visualize-class", "tabby", "-p", "l2=nan"), "parameters.l2: l2 must be a finite number, not nan"),
        (
            ("visualize-class", "tabby", "-p", "steps=99999999999"),
            "parameters.steps: steps 99999999999 is out of range",
        ),
        (("visualize-class", "tabby", "-p", "stages=3"), "parameters.stages: stages must be several stages, not 3"),
        (
            ("visualize-class", "tabby", "-p", 'stages=[{"scale": "x"}]'),
            "parameters.stages[0].scale: scale must be a number",
        ),
        (
            ("visualize-class", "tabby", "--examples", "photos", "--example-count", "99999999999"),
            "examples.count: count 99999999999 is out of range",
        ),
        (("visualize-channel", "layer3", "99999999999"), "units[0].channel 99999999999 is out of range"),
        (("visualize-channel", "layer3", "5", "-o", "why.doc"), "why.doc must end in one of"),
        (("invert",), "image: an image or features must be given"),
        (("invert", "missing.jpg"), "missing.jpg cannot be read"),
        (("invert", "cat.png", "--features", "features.npy", "--layer", "fc"), "image goes without features"),
        (("invert", "cat.png", "--layer", "fc", "--all-layers"), "layers: all_layers goes without a layer"),
        (("invert", "--features", "features.npy"), "layers: features are of one layer, which must be named"),
        (("invert", "--features", "missing.npy", "--layer", "fc"), "features cannot be read from missing.npy: No such"),
        (("invert", "--features", "cat.png", "--layer", "fc"), "features cannot be read from cat.png: "),
        (("invert", "--features", "empty.npy", "--layer", "fc"), "features cannot be read from empty.npy: "),
        (("invert", "--features", "objects.npy", "--layer", "fc"), "features cannot be read from objects.npy: Object"),
        (("invert", "--features", "integers.npy", "--layer", "fc"), "not int64 [2, 3]"),
        (("adversarial", "missing.jpg"), "missing.jpg cannot be read"),
        (("adversarial", "cat.png", "-o", "missing/a.png"), "there is no folder missing"),
        (("adversarial", "cat.png", "--epsilon", "nan"), "epsilon must be a finite number, not nan"),
        (("fool", "taby", "--confidence", "nan"), "confidence must be a finite number, not nan"),
        (("recipe-table", "taby"), "targets[0]: unknown class 'taby'; nearest: tabby"),
        (("recipe-table", "tabby", "--recipe", "olah"), "recipe: unknown recipe 'olah'; known: erhan2009, szegedy2013"),
        (("recipe-table", "tabby", "-o", "recipes.npy"), "recipes.npy must be the name of a picture"),
        (("recipe-table", "tabby", "-o", "missing/recipes.png"), "there is no folder missing"),
        (("jobs", "watch", "nobody"), "there is no job jobs/nobody"),
        (("jobs", "cancel", "nobody"), "there is no job jobs/nobody"),
        (("jobs", "result", "nobody"), "there is no job jobs/nobody"),
        (("jobs", "result", "nobody", "-o", "why.doc"), "why.doc must end in one of"),
        (("jobs", "list", "--state", "done"), "states cannot be 'done'; known: queued, running, succeeded"),
        (
            ("jobs", "list", "--kind", "dream"),
            "kinds cannot be 'dream'; known: visualize_class, visualize_channel, deep_dream",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
@pytest.mark.usefixtures("arrays")
def test_an_error_is_one_sentence(
    convscope: Run, jobs: JobStandIn, folder: Path, arguments: tuple[str, ...], words: str
) -> None:
    before = sorted(folder.iterdir())
    assert words in assert_one_sentence(convscope(*arguments))
    assert sorted(folder.iterdir()) == before, "nothing is left behind"
    assert jobs.records == {}, "nothing was begun"


def test_a_job_that_fails_is_one_sentence(convscope: Run, jobs: JobStandIn) -> None:
    jobs.work = lambda name: jobs.fail(name, code_pb2.INTERNAL, "a defect")
    assert assert_one_sentence(convscope("visualize-class", "tabby")) == "a defect"


def test_no_server_is_told_at_once(convscope: Run) -> None:
    result = convscope("jobs", "watch", "0001", "--server", f"127.0.0.1:{free_port()}")
    assert "start one with `convscope up`" in assert_one_sentence(result)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("visualize-class",), "target"),
        (("visualize-class", "tabby", "--steps", "many"), "--steps"),
        (("visualize-class", "tabby", "--l2", "0.5"), "--l2"),
        (("visualize-class", "tabby", "-p", "steps"), "'steps' is no name=value"),
        (("visualize-class", "tabby", "-p", "steps=1.5"), "steps cannot be '1.5'"),
        (("visualize-class", "tabby", "-p", "window=1"), "window cannot be '1'"),
        (("visualize-class", "tabby", "-p", "stages=[{"), "stages cannot be '[{'"),
        (("visualize-class", "tabby", "--example-count", "3"), "it goes with --examples"),
        (("visualize-class", "tabby", "--start-from-example"), "it goes with --examples"),
        (("visualize-class", "tabby", "--examples", "photos", "--example-count", "few"), "--example-count"),
        (("visualize-channel", "layer3", "5", "--start-from-example"), "it goes with --examples"),
        (("visualize-channel", "layer3"), "channel"),
        (("visualize-channel", "layer3", "five"), "'channel'"),
        (("visualize-channel", "layer3", "5", "--place", "3"), "'3' is no ROW,COLUMN"),
        (("visualize-channel", "layer3", "5", "--place", "3,-1"), "'3,-1' is no ROW,COLUMN"),
        (("adversarial",), "photo"),
        (("adversarial", "cat.png", "--epsilon", "8/0"), "'8/0' is no number such as 0.03 or 8/255"),
        (("adversarial", "cat.png", "--step-size", "1/2/3"), "'1/2/3' is no number"),
        (("adversarial", "cat.png", "--restarts", "some"), "--restarts"),
        (("fool",), "target"),
        (("recipe-table",), "target"),
        (("dream", "cat.png", "--channel", "x"), "--channel"),
        (("jobs", "list", "--limit", "0"), "--limit"),
        (("jobs", "follow", "0001"), "follow"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_wrong_command_line_is_refused_before_any_call(
    convscope: Run, arguments: tuple[str, ...], words: str
) -> None:
    result = convscope(*arguments, CONVSCOPE_SERVER=f"127.0.0.1:{free_port()}")
    assert (result.returncode, result.stdout) == (2, "")
    assert words.casefold() in result.stderr.casefold()
    assert "Traceback" not in result.stderr
