"""ModelService: lists, describes, loads and unloads the models of the catalogue."""

import grpc

from convscope.engine.errors import UnknownModel
from convscope.services.attribution.models import LoadedModels, Standing
from convscope.services.attribution.replicas import Replicas
from convscope.services.common.cards import to_card
from convscope.services.common.pages import from_token, page_size, to_token
from convscope.services.common.resource_names import MODELS, model_name
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


class ModelServicer(ModelServiceServicer):
    """Answers from this replica; what other replicas hold comes from the store."""

    def __init__(self, models: LoadedModels, replicas: Replicas) -> None:
        self._models = models
        self._replicas = replicas

    def ListModels(self, request: ListModelsRequest, context: grpc.ServicerContext) -> ListModelsResponse:
        size = page_size(request.page_size)
        after = from_token(request.page_token)
        names = [name for name in self._models.catalogue if name > after]
        others = self._replicas.others()
        page = [self._describe(name, others, whole=False) for name in names[:size]]
        token = to_token(names[size - 1]) if len(names) > size else ""
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
