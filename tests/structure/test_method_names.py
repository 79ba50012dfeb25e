"""A method has one name: in the table, in the contract, on its file and its function; and so have its parameters."""

import ast
from inspect import signature
from pathlib import Path
from typing import Any

import pytest

from convscope.client import Client, Variant
from convscope.engine.attribution.methods import METHODS
from convscope.v1.method_pb2 import Method
from convscope.web.explain.method_titles import SLOW, TITLES

FOLDER = Path(__file__).parents[2] / "engine" / "attribution"
# Functions that are named like their files and are no methods: the library's one call, what it is made of, and what the
# methods of class activation share.
NO_METHOD = {"attribute", "explain", "class_activation"}


def names_in_the_contract() -> set[str]:
    return {field.name for field in Method.DESCRIPTOR.oneofs_by_name["kind"].fields}


def message_of(method: str) -> Any:
    """The message of a method's parameters."""
    return Method.DESCRIPTOR.fields_by_name[method].message_type


def files_with_a_function_of_their_own_name() -> set[str]:
    return {
        path.stem
        for path in FOLDER.glob("*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name == path.stem
    }


def test_the_table_has_the_methods_of_the_contract() -> None:
    assert set(METHODS) == names_in_the_contract()


def test_the_page_names_every_method() -> None:
    assert set(TITLES) == set(METHODS)
    assert set(SLOW) <= set(METHODS)


def test_every_method_has_a_file_with_a_function_of_its_name_and_no_file_is_left_over() -> None:
    assert files_with_a_function_of_their_own_name() - NO_METHOD == set(METHODS)


@pytest.mark.parametrize("name", METHODS)
def test_the_table_points_to_the_function_of_that_name(name: str) -> None:
    function = METHODS[name].function
    assert (function.__module__, function.__name__) == (f"convscope.engine.attribution.{name}", name)


@pytest.mark.parametrize("name", METHODS)
def test_a_methods_parameters_are_those_of_its_message(name: str) -> None:
    message = message_of(name)
    assert list(METHODS[name].parameters.model_fields) == [field.name for field in message.fields]
    assert METHODS[name].parameters.__name__ == message.name


@pytest.mark.parametrize("name", METHODS)
def test_every_parameter_can_be_left_out_so_that_the_librarys_default_counts(name: str) -> None:
    assert METHODS[name].parameters.parse({})
    message = message_of(name)
    assert all(field.has_presence or field.is_repeated for field in message.fields)


@pytest.mark.parametrize("call", [Client.attribute, Client.attribute_many, Client.analyze_failure, Variant.__init__])
def test_no_parameter_is_named_like_an_argument_of_the_calls_that_take_it(call: Any) -> None:
    arguments = {name for name, one in signature(call).parameters.items() if one.kind != one.VAR_KEYWORD}
    parameters = {name for method in METHODS.values() for name in method.parameters.model_fields}
    assert not arguments & parameters
