"""The argument by which commands find a collection, and the option by which they find its index."""

from typing import Annotated

import typer

CollectionName = Annotated[
    str, typer.Argument(metavar="NAME", help="A collection's name, with collections/ or without.")
]
IndexedModel = Annotated[
    str | None,
    typer.Option("--model", "-m", help="A model that the collection has an index of; default: the only one."),
]
EmbeddingLayer = Annotated[
    str | None,
    typer.Option("--embedding-layer", help="Of the feature vectors; default: what the classifier is given."),
]
