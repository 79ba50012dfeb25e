"""What an expression of Prometheus asks for, and what is wrong with it."""

import re
from collections.abc import Mapping

import promql_parser as promql

TARGET = frozenset({"namespace", "pod", "instance", "job"})
"""Labels that Prometheus adds to what it reads."""
_VARIABLES = re.compile(r"\$__\w+")


class Wrong(Exception):
    """An expression that would find nothing."""


def labels(expression: str, known: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """The labels that its answer has. known: the labels of every series there is. Raises Wrong."""
    try:
        parsed = promql.parse(_VARIABLES.sub("5m", expression))
    except ValueError as error:
        raise Wrong(f"{expression}: {error}") from error
    return _labels(parsed, known) or frozenset()


def _labels(node: promql.Expr, known: Mapping[str, frozenset[str]]) -> frozenset[str] | None:
    """None for a number."""
    found: frozenset[str] | None = None
    match node:
        case promql.NumberLiteral() | promql.StringLiteral():
            pass
        case promql.ParenExpr():
            found = _labels(node.expr, known)
        case promql.MatrixSelector():
            found = _of_series(node.vector_selector, known)
        case promql.VectorSelector():
            found = _of_series(node, known)
        case promql.Call():
            found = _of_call(node, known)
        case promql.AggregateExpr():
            found = _of_aggregate(node, known)
        case promql.BinaryExpr():
            found = _of_pair(node, known)
        case _:
            raise Wrong(f"nothing is known of {type(node).__name__}")
    return found


def _of_series(node: promql.VectorSelector, known: Mapping[str, frozenset[str]]) -> frozenset[str]:
    if node.name is None or node.name not in known:
        raise Wrong(f"there is no {node.name}")
    there = known[node.name] | TARGET
    for matcher in node.matchers.matchers:
        if matcher.name not in there:
            raise Wrong(f"{node.name} has no label {matcher.name}")
    return there


def _of_call(node: promql.Call, known: Mapping[str, frozenset[str]]) -> frozenset[str] | None:
    found = [_labels(one, known) for one in node.args]
    match node.func.name, found:
        case "time", _:
            return None
        case "absent", _:
            return frozenset()
        case (("rate" | "increase"), [frozenset() as there]) if isinstance(node.args[0], promql.MatrixSelector):
            return there
        case "histogram_quantile", [None, frozenset() as there] if "le" in there:
            return there - {"le"}
    raise Wrong(f"{node.func.name} of {node.args}")


def _of_aggregate(node: promql.AggregateExpr, known: Mapping[str, frozenset[str]]) -> frozenset[str]:
    wanted = frozenset(node.modifier.labels if node.modifier is not None else ())
    missing = wanted - (_labels(node.expr, known) or frozenset())
    if missing:
        raise Wrong(f"{node.op} by {sorted(missing)}, which is not there")
    return wanted


def _of_pair(node: promql.BinaryExpr, known: Mapping[str, frozenset[str]]) -> frozenset[str] | None:
    left, right = _labels(node.lhs, known), _labels(node.rhs, known)
    if left is None or right is None:
        return right if left is None else left
    if left != right and node.modifier is None:
        raise Wrong(f"{sorted(left)} never meet {sorted(right)}")
    return left
