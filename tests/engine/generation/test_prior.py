"""A prior as a file, and who may use it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load, save
from torch import Tensor

from convscope.engine.generation.errors import PriorInvalid, PriorMismatch
from convscope.engine.generation.prior import Prior
from convscope.engine.generation.prior_header import PriorHeader
from convscope.engine.models.model import Model
from tests.engine.synthesis.tiny_network import resized

CODES = torch.randn(3, 16, 1, 1, generator=torch.Generator().manual_seed(0))


def metadata(data: bytes) -> dict[str, Any]:
    length = int.from_bytes(data[:8], "little")
    found: dict[str, Any] = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["prior"])
    return found


def test_a_file_gives_the_very_prior_back(prior: Prior, tmp_path: Path) -> None:
    path = tmp_path / "prior.safetensors"
    prior.save(path)
    found = Prior.load(path)
    assert found.card == prior.card
    assert found.digest == prior.digest
    assert found.to_bytes() == prior.to_bytes() == path.read_bytes()
    assert torch.equal(found.pictures(CODES), prior.pictures(CODES))
    assert torch.equal(found.denoiser(CODES), prior.denoiser(CODES))
    for mine, other in zip(found.range.bounds, prior.range.bounds, strict=True):
        assert torch.equal(mine, other)
    assert not found.generator.training
    assert not any(parameter.requires_grad for parameter in found.generator.parameters())


def test_its_own_network_may_use_it(prior: Prior, tiny: Model) -> None:
    reader = prior.check(tiny)
    assert reader.shape == prior.card.generator.code


def test_it_is_refused_for_another_network_other_pictures_and_another_layer(prior: Prior, tiny: Model) -> None:
    for model, words in [
        (replace(tiny, weights_digest="0" * 64), "000000000000"),
        (resized(tiny, 48, 48), "40 x 48 pixels; resnet18 takes 48 x 48"),
    ]:
        with pytest.raises(PriorMismatch, match=words) as caught:
            prior.check(model)
        assert (caught.value.field, caught.value.status) == ("prior", "FAILED_PRECONDITION")
    for layer, words in [("10", r"codes are \[16, 1, 1\]; those of '10' are"), ("99", "layer '99'")]:
        other = replace(prior, card=prior.card.model_copy(update={"layer": layer}))
        with pytest.raises(PriorMismatch, match=words) as caught:
            other.check(tiny)
        assert caught.value.field == "prior"


def test_its_card_is_read_without_its_numbers(prior: Prior, tmp_path: Path) -> None:
    path = tmp_path / "prior.safetensors"
    prior.save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: 8 + int.from_bytes(whole[:8], "little")])
    assert PriorHeader.of_file(path) == PriorHeader(prior.card, prior.digest)
    for cut in (0, 4, 100):
        path.write_bytes(whole[:cut])
        with pytest.raises(PriorInvalid, match="no whole prior"):
            PriorHeader.of_file(path)


def changed(data: bytes, tensors: dict[str, Tensor] | None = None, **said: Any) -> bytes:
    whole = json.dumps(metadata(data) | said)
    return save(load(data) if tensors is None else tensors, {"prior": whole})


def test_a_damaged_file_is_told(prior: Prior, tmp_path: Path) -> None:
    data = prior.to_bytes()
    tensors = load(data)
    moved = {**tensors, "codes.mean": tensors["codes.mean"] + 1}
    card = prior.card.model_copy(update={"layer": "10"}).model_dump(mode="json")
    for bad, words in [
        (b"", "no whole prior"),
        (data[:100], "no whole prior"),
        (data[:-1], "no whole prior"),
        (save(tensors), "no whole prior"),
        (changed(data, format="mine"), "format 'mine'"),
        (changed(data, card={}), "no whole prior"),
        (changed(data, card=card), "damaged"),
        (changed(data, moved), "damaged"),
        (changed(data, digest="0"), "damaged"),
    ]:
        with pytest.raises(PriorInvalid, match=words) as caught:
            Prior.from_bytes(bad)
        assert caught.value.field == "prior"
    with pytest.raises(PriorInvalid, match="cannot be read"):
        Prior.load(tmp_path / "nothing.safetensors")


def test_a_card_that_lies_about_its_numbers_is_told_and_takes_no_memory(prior: Prior) -> None:
    """With a digest that fits: whoever wrote the file wrote that too."""
    huge = prior.card.generator.model_copy(update={"start": (65_536, 4096, 4096)})
    liar = replace(prior, card=prior.card.model_copy(update={"generator": huge}))
    with pytest.raises(PriorInvalid, match="do not fit its card"):
        Prior.from_bytes(liar.to_bytes())
    fewer = replace(prior, range=replace(prior.range, mean=prior.range.mean[:, :3]))
    with pytest.raises(PriorInvalid, match=r"codes\.mean"):
        Prior.from_bytes(fewer.to_bytes())
    deep = replace(prior, card=prior.card.model_copy(update={"hidden": (4,)}))
    with pytest.raises(PriorInvalid, match="do not fit its card"):
        Prior.from_bytes(deep.to_bytes())
