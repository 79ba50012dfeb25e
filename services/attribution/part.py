"""The attribution services, put together."""

import warnings

import grpc
import torch
from PIL import Image

from convscope.engine.models.catalogue import BUILT_IN, Catalogue
from convscope.services.attribution.attribution_servicer import AttributionServicer
from convscope.services.attribution.cache import AnswerCache
from convscope.services.attribution.executor import Executor
from convscope.services.attribution.indexes import Indexes
from convscope.services.attribution.inspection_servicer import InspectionServicer
from convscope.services.attribution.model_servicer import ModelServicer
from convscope.services.attribution.models import LoadedModels
from convscope.services.attribution.pictures import PictureReader
from convscope.services.attribution.replicas import Replicas
from convscope.services.attribution.runner import Runner
from convscope.services.attribution.searches import Searches
from convscope.services.attribution.settings import AttributionSettings
from convscope.services.common.errors import DeviceUnusable
from convscope.services.common.store import connect
from convscope.v1 import attribution_service_pb2, inspection_service_pb2, model_service_pb2
from convscope.v1.attribution_service_pb2_grpc import add_AttributionServiceServicer_to_server
from convscope.v1.inspection_service_pb2_grpc import add_InspectionServiceServicer_to_server
from convscope.v1.model_service_pb2_grpc import add_ModelServiceServicer_to_server


class AttributionPart:
    """AttributionService, InspectionService and ModelService, with the models and the thread that computes."""

    services: tuple[str, ...] = (
        attribution_service_pb2.DESCRIPTOR.services_by_name["AttributionService"].full_name,
        inspection_service_pb2.DESCRIPTOR.services_by_name["InspectionService"].full_name,
        model_service_pb2.DESCRIPTOR.services_by_name["ModelService"].full_name,
    )

    def __init__(self, settings: AttributionSettings) -> None:
        """Raises CatalogueError, UnknownModel, DeviceUnusable: what is wrong with the settings."""
        torch.set_num_threads(settings.threads)
        # Pictures over the limit are refused with an error of ours.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        catalogue = Catalogue.read(settings.catalogue or BUILT_IN)
        self._wanted = tuple(catalogue) if settings.models == ("all",) else settings.models
        for name in self._wanted:
            catalogue[name]  # raises for an unknown name
        self.threads = settings.queue_limit + settings.stream_limit
        self._executor = Executor(max_batch=settings.max_batch, max_wait=settings.max_wait_ms / 1000)
        self._models = LoadedModels(catalogue, _device(settings.device), self._executor)
        store = settings.store() if settings.has_store else None
        text_store = connect(store, text=True) if store else None
        self._replicas = Replicas(text_store, self._models, settings.replica)
        runner = Runner(
            self._models,
            self._executor,
            PictureReader(at_once=settings.decoders, max_pixels=settings.max_image_pixels),
            queue_limit=settings.queue_limit,
        )
        self._attribution = AttributionServicer(
            runner,
            AnswerCache(connect(store) if store else None, settings.cache_seconds),
            precision=settings.precision,
            stream_limit=settings.stream_limit,
        )
        self._indexes = Indexes(connect(store) if store else None, settings.artifacts_url)
        searches = Searches(self._indexes, runner, max_pixels=settings.max_image_pixels)
        self._inspection = InspectionServicer(runner, searches)

    def add_to(self, server: grpc.Server) -> None:
        add_AttributionServiceServicer_to_server(self._attribution, server)
        add_InspectionServiceServicer_to_server(self._inspection, server)
        add_ModelServiceServicer_to_server(ModelServicer(self._models, self._replicas), server)

    def load(self) -> None:
        """Load the models of the settings. Raises ModelUnloadable."""
        for name in self._wanted:
            self._models.load(name)
        self._replicas.start()

    def let_go(self) -> None:
        """Calls here end by themselves."""

    def close(self) -> None:
        self._replicas.close()
        self._executor.close()
        self._indexes.close()


def _device(wanted: str) -> str:
    """Raises DeviceUnusable."""
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(1, device=wanted)
    except (RuntimeError, AssertionError) as error:
        raise DeviceUnusable(f"the device {wanted!r} cannot be used: {error}") from error
    return wanted
