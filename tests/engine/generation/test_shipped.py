"""The priors that ship: small, whole, of the networks that ship, and good enough."""

import pytest
import torch

from convscope.engine.generation.prior import Prior
from convscope.engine.generation.shipped import SHIPPED
from convscope.engine.models.catalogue import Catalogue

MOST_BYTES = 5_000_000


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_prior_is_of_its_network_and_small(name: str) -> None:
    data = SHIPPED[name].read_bytes()
    assert len(data) < MOST_BYTES
    prior = Prior.from_bytes(data)
    assert prior.card.model == name
    assert prior.check(Catalogue.read().load(name)).shape == prior.card.generator.code
    assert {tensor.dtype for tensor in prior.generator.state_dict().values() if tensor.is_floating_point()} == {
        torch.float32
    }
    assert prior.to_bytes() == data
