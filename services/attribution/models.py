"""The models that this replica holds."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import structlog
import torch

from convscope.engine.errors import ConvscopeError
from convscope.engine.models.catalogue import Catalogue
from convscope.engine.models.model import Model
from convscope.services.attribution.executor import Executor
from convscope.services.attribution.metrics import QUEUED
from convscope.services.common.errors import ModelLoading, ModelNotLoaded
from convscope.v1.model_service_pb2 import ModelState

log = structlog.get_logger()


@dataclass(frozen=True)
class Standing:
    """Where a model stands in this replica."""

    state: ModelState = ModelState.MODEL_STATE_UNLOADED
    model: Model | None = None
    """Set while it is loaded."""
    message: str = ""
    """Why it failed."""


UNLOADED = Standing()


class LoadedModels:
    """Loads, unloads and finds models. Every method may be called from any thread."""

    def __init__(self, catalogue: Catalogue, device: str, executor: Executor) -> None:
        self.catalogue = catalogue
        self._device = device
        self._executor = executor
        self._standings: dict[str, Standing] = {}
        # One change of a model at a time; reading needs no lock.
        self._changing = {name: threading.Lock() for name in catalogue}

    def standing(self, name: str) -> Standing:
        """Raises UnknownModel."""
        return self._standings.get(self.catalogue[name].name, UNLOADED)

    def model(self, name: str) -> Model:
        """A loaded model. Raises UnknownModel, ModelLoading, ModelNotLoaded."""
        standing = self.standing(name)
        if standing.model is not None:
            return standing.model
        if standing.state == ModelState.MODEL_STATE_LOADING:
            raise ModelLoading(f"the model {name} is being loaded", field="model")
        if standing.state == ModelState.MODEL_STATE_FAILED:
            raise ModelNotLoaded(f"the model {name} could not be loaded: {standing.message}", field="model")
        raise ModelNotLoaded(f"the model {name} is not loaded; call LoadModel first", field="model")

    def load(self, name: str) -> Standing:
        """Load a model, unless it is loaded. Raises UnknownModel, ModelUnloadable."""
        self.catalogue[name]  # raises for an unknown name, which has no lock
        with self._changing[name]:
            if self.standing(name).model is not None:
                return self.standing(name)
            log.info("loading", model=name, device=self._device)
            self._standings[name] = Standing(ModelState.MODEL_STATE_LOADING)
            try:
                model = self._load_in_thread(name)
            except Exception as error:
                message = error.message if isinstance(error, ConvscopeError) else str(error)
                self._standings[name] = Standing(ModelState.MODEL_STATE_FAILED, message=message)
                log.error("loading failed", model=name, error=message)
                raise
            self._standings[name] = Standing(ModelState.MODEL_STATE_LOADED, model)
            QUEUED.labels(name)  # there from now on, and not from its first picture on
            log.info("loaded", model=name, weights_digest=model.weights_digest)
            return self._standings[name]

    def unload(self, name: str) -> Standing:
        """Finish a model's accepted work and let go of it. Raises UnknownModel."""
        self.catalogue[name]
        with self._changing[name]:
            model = self._standings.pop(name, UNLOADED).model
            if model is not None:
                self._executor.finish(model)
                if model.device.type == "cuda":
                    torch.cuda.empty_cache()
                log.info("unloaded", model=name)
            return UNLOADED

    def _load_in_thread(self, name: str) -> Model:
        """Load in a thread that ends at once: loading runs a pass, and OpenMP would keep a team of threads for the
        caller's own as long as that lives, beside the executor's."""
        with ThreadPoolExecutor(1, thread_name_prefix="load") as pool:
            return pool.submit(self.catalogue.load, name, device=self._device).result()
