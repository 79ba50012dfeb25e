"""ModelService: lists, describes, loads and unloads the models of the catalogue."""

import base64
import binascii

import grpc

from convscope.engine.errors import InvalidInput, UnknownModel
from convscope.services.attribution.answers import to_card
from convscope.services.attribution.models import LoadedModels, Standing
from convscope.services.attribution.replicas import Replicas
from convscope.services.attribution.requests import MODELS, model_name
from convscope.v1.model_service_pb2 import (
    GetModelRequest,
    GetModelResponse,
    ListModelsRequest,
    ListModelsResponse,
    LoadModelRequest,
    LoadModelResponse,
    Model,
    ModelCard,
    ModelReplica,
    UnloadModelRequest,
    UnloadModelResponse,
)
from convscope.v1.model_service_pb2_grpc import ModelServiceServicer

DEFAULT_PAGE_SIZE = 100
MAX_PAGE_SIZE = 1000


class ModelServicer(ModelServiceServicer):
    """Answers from this replica; what other replicas hold comes from the store."""

    def __init__(self, models: LoadedModels, replicas: Replicas) -> None:
        self._models = models
        self._replicas = replicas

    def ListModels(self, request: ListModelsRequest, context: grpc.ServicerContext) -> ListModelsResponse:
        size = request.page_size or DEFAULT_PAGE_SIZE
        if not 1 <= size <= MAX_PAGE_SIZE:
            message = f"page_size must be 1 to {MAX_PAGE_SIZE}, not {size}"
            raise InvalidInput(message, field="page_size", reason="OUT_OF_RANGE")
        after = _from_token(request.page_token)
        names = [name for name in self._models.catalogue if name > after]
        others = self._replicas.others()
        page = [self._describe(name, others, whole=False) for name in names[:size]]
        token = _to_token(names[size - 1]) if len(names) > size else ""
        return ListModelsResponse(models=page, next_page_token=token)

    def GetModel(self, request: GetModelRequest, context: grpc.ServicerContext) -> GetModelResponse:
        name = self._known(request.name)
        return GetModelResponse(model=self._describe(name, self._replicas.others(), whole=True))

    def LoadModel(self, request: LoadModelRequest, context: grpc.ServicerContext) -> LoadModelResponse:
        name = self._known(request.name)
        self._models.load(name)
        self._replicas.wish(name, loaded=True)
        return LoadModelResponse(model=self._describe(name, self._replicas.others(), whole=True))

    def UnloadModel(self, request: UnloadModelRequest, context: grpc.ServicerContext) -> UnloadModelResponse:
        name = self._known(request.name)
        self._models.unload(name)
        self._replicas.wish(name, loaded=False)
        return UnloadModelResponse(model=self._describe(name, self._replicas.others(), whole=False))

    def _known(self, resource: str) -> str:
        """The catalogue's name of a model. Raises UnknownModel, InvalidInput."""
        name = model_name(resource, field="name")
        try:
            return self._models.catalogue[name].name
        except UnknownModel as error:
            error.field = "name"
            raise

    def _describe(self, name: str, others: dict[str, list[ModelReplica]], *, whole: bool) -> Model:
        standing = self._models.standing(name)
        here = ModelReplica(replica=self._replicas.name, state=standing.state, message=standing.message)
        return Model(
            name=MODELS + name,
            description=self._models.catalogue[name].describe(),
            state=standing.state,
            replicas=[here, *others.get(name, [])],
            card=_card(standing, whole=whole),
        )


def _card(standing: Standing, *, whole: bool) -> ModelCard | None:
    return to_card(standing.model, whole=whole) if standing.model else None


def _to_token(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode()).decode()


def _from_token(token: str) -> str:
    try:
        return base64.b64decode(token.encode(), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError) as error:
        message = "page_token is none that this server gave"
        raise InvalidInput(message, field="page_token", reason="PAGE_TOKEN_INVALID") from error
