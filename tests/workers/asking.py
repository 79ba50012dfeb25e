"""Requests of every kind for the networks of the team, which see 32 x 32 pixels of five classes."""

from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf.message import Message

from convscope.v1.image_pb2 import Image
from convscope.v1.synthesis_service_pb2 import (
    CreateAdversarialRequest,
    DeepDreamRequest,
    InvertFeaturesRequest,
    JobOptions,
    SynthesisParameters,
    VisualizeChannelRequest,
    VisualizeClassRequest,
)
from convscope.v1.target_pb2 import ClassReference, Unit
from tests.services.pictures import noise, to_file

PHOTOGRAPH = noise(48, 40)
IMAGE = Image(encoded=to_file(PHOTOGRAPH))
OPTIONS = JobOptions(preview_seconds=0.2)


def class_of(model: str, recipe: str, **parameters: Any) -> VisualizeClassRequest:
    """Two classes by a recipe."""
    return VisualizeClassRequest(
        model=model,
        targets=[ClassReference(label="dog"), ClassReference(index=3)],
        recipe=recipe,
        parameters=SynthesisParameters(**parameters),
        options=OPTIONS,
    )


def channel_of(model: str, **parameters: Any) -> VisualizeChannelRequest:
    """A channel and a neuron."""
    units = [Unit(layer="features.2", channel=3), Unit(layer="features.0", channel=1, row=2, column=5)]
    return VisualizeChannelRequest(
        model=model, units=units, parameters=SynthesisParameters(**parameters), options=OPTIONS
    )


def dream_of(model: str, **fields: Any) -> DeepDreamRequest:
    return DeepDreamRequest(**{"model": model, "image": IMAGE, "octaves": 2, "jitter": 4, "options": OPTIONS, **fields})


def inversion_of(model: str, layers: tuple[str, ...] = ("features.1", "features.3"), **parameters: Any) -> Message:
    return InvertFeaturesRequest(
        model=model, image=IMAGE, layers=layers, parameters=SynthesisParameters(**parameters), options=OPTIONS
    )


def attack_of(model: str, **fields: Any) -> CreateAdversarialRequest:
    return CreateAdversarialRequest(**{"model": model, "image": IMAGE, "options": OPTIONS, **fields})


# All take a second or more on "slow".
LONG: Mapping[str, Callable[[], Message]] = {
    "l-bfgs": lambda: class_of("slow", "szegedy2013", steps=60, seed=3),
    "adam": lambda: class_of("slow", "olah2017", steps=60, seed=3, copies=2, diversity=0.1),
    "evolution": lambda: class_of("slow", "nguyen2015", steps=600, seed=3, population=2),
    "growing": lambda: class_of("slow", "oygaard2015", steps=80, seed=3, size=32),
    "dream": lambda: dream_of("slow", steps=40, seed=3),
    "inversion": lambda: inversion_of("slow", steps=80, seed=3),
    "attack": lambda: attack_of("slow", steps=80, restarts=2, seed=3),
}
"""Work that a test may disturb."""
