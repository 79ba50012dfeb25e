"""The models that a child keeps."""

from collections import OrderedDict
from collections.abc import Callable

import structlog
import torch

from convscope.engine.models.catalogue import Catalogue
from convscope.engine.models.model import Model

log = structlog.get_logger()


class WarmModels:
    """Loads models when they are asked for, and keeps those used last, as many as the memory for them holds."""

    def __init__(self, catalogue: Catalogue, device: str, memory: int, loaded: Callable[[Model], None]) -> None:
        """memory: bytes of weights, beyond which the model used longest ago goes. loaded: called with every new one."""
        self._catalogue = catalogue
        self._device = device
        self._memory = memory
        self._loaded = loaded
        self._models: OrderedDict[str, Model] = OrderedDict()

    def get(self, name: str) -> Model:
        """Raises UnknownModel, ModelUnloadable."""
        if name not in self._models:
            self._models[name] = self._catalogue.load(name, device=self._device)
            log.info("loaded", model=name, device=self._device)
            self._loaded(self._models[name])
        self._models.move_to_end(name)
        self._make_room()
        return self._models[name]

    @property
    def names(self) -> list[str]:
        """Those that are kept, the one used longest ago first."""
        return list(self._models)

    def _make_room(self) -> None:
        while len(self._models) > 1 and sum(map(_weight, self._models.values())) > self._memory:
            name, model = self._models.popitem(last=False)
            log.info("unloaded", model=name)
            if model.device.type == "cuda":
                del model
                torch.cuda.empty_cache()


def _weight(model: Model) -> int:
    """Bytes of its parameters."""
    return sum(parameter.numel() * parameter.element_size() for parameter in model.module.parameters())
