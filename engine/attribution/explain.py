"""Methods run on a batch: one, or several that share their passes."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from convscope.engine.attribution.batch import Batch
from convscope.engine.attribution.evidence import Evidence, Passes
from convscope.engine.attribution.method import Attribution, Method, PassMethod, ScanMethod
from convscope.engine.attribution.parameters import MethodParameters
from convscope.engine.attribution.target import Targets
from convscope.engine.errors import ConvscopeError


@dataclass(frozen=True)
class Question:
    """A method and what it is asked of each picture."""

    method: Method
    parameters: MethodParameters
    targets: Targets


def explain(batch: Batch, method: Method, parameters: MethodParameters) -> Attribution:
    """Run one method for the batch's own targets."""
    return explain_together(batch, [Question(method, parameters, batch.targets)])[0]


def explain_together(batch: Batch, questions: Sequence[Question]) -> list[Attribution]:
    """Run several methods, or one for several targets. Those that need but a pass share it.

    Raises what the methods raise, with the question's position; none is then answered.
    """
    for number, question in enumerate(questions):
        with _to_blame(number):
            question.targets.check(batch.layers)
    passes = _passes(batch, [question for question in questions if isinstance(question.method, PassMethod)])
    answers = []
    for number, question in enumerate(questions):
        with _to_blame(number):
            if isinstance(question.method, ScanMethod):
                answers.append(question.method.function(batch.with_targets(question.targets), question.parameters))
            else:
                answers.append(_answer(passes, question.method, question))
    return answers


@contextmanager
def _to_blame(number: int) -> Iterator[None]:
    try:
        yield
    except ConvscopeError as error:
        error.position = number
        raise


def _passes(batch: Batch, questions: Sequence[Question]) -> Passes:
    needs = [
        (need, question.parameters.looks_at(batch.layers) if need.of_layer else "")
        for question in questions
        if isinstance(question.method, PassMethod)
        for need in question.method.needs
    ]
    return Passes(batch, needs, [question.targets for question in questions])


def _answer(passes: Passes, method: PassMethod, question: Question) -> Attribution:
    run = passes.any_pass
    targets = question.targets.resolve(run.scores)
    layer = question.parameters.looks_at(passes.batch.layers)
    values = method.function(Evidence(passes, targets, layer), question.parameters)
    return Attribution(values, run.scores, targets, run.values(targets))
