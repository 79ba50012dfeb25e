"""InspectionService: filters, activations, feature vectors, and what indexes of collections know."""

from collections.abc import Sequence

import grpc
import numpy as np
from numpy.typing import NDArray

from convscope.engine.imaging.activation_grid import activation_grid
from convscope.engine.imaging.box import whole_pixels
from convscope.engine.imaging.filter_grid import filter_grid
from convscope.engine.inspection.activations import channel_order
from convscope.engine.inspection.filters import filter_shape, filters
from convscope.engine.models.layers import Layer
from convscope.services.attribution.answers import to_predictions, to_region
from convscope.services.attribution.files import png
from convscope.services.attribution.inspections import (
    ActivationOrder,
    check_activations,
    check_embed,
    check_filters,
)
from convscope.services.attribution.pictures import Picture
from convscope.services.attribution.runner import Runner
from convscope.services.attribution.searches import Searches
from convscope.services.attribution.work import Task
from convscope.services.common.call import Call
from convscope.services.common.tensors import to_tensor
from convscope.v1.inspection_service_pb2 import (
    Activation,
    EmbedRequest,
    EmbedResponse,
    FindNeighborsRequest,
    FindNeighborsResponse,
    FindPatchesRequest,
    FindPatchesResponse,
    GetActivationsRequest,
    GetActivationsResponse,
    GetFiltersRequest,
    GetFiltersResponse,
)
from convscope.v1.inspection_service_pb2_grpc import InspectionServiceServicer
from convscope.v1.tensor_pb2 import DataType


class InspectionServicer(InspectionServiceServicer):
    """Validates, looks, draws."""

    def __init__(self, runner: Runner, searches: Searches) -> None:
        self._runner = runner
        self._searches = searches

    def GetFilters(self, request: GetFiltersRequest, context: grpc.ServicerContext) -> GetFiltersResponse:
        Call.of(context)
        model = self._runner.model(request.model)
        form = check_filters(request)
        with self._runner.calls.place():
            weights = filters(model, request.layer, request.outputs, request.inputs).numpy()
            shape = filter_shape(model, request.layer)
            outputs = list(request.outputs) or list(range(shape.outputs))
            inputs = list(request.inputs) or list(range(shape.inputs))
            response = GetFiltersResponse(
                weights=to_tensor(weights, request.data_type),
                outputs=outputs,
                inputs=inputs,
                groups=shape.groups,
                output_count=shape.outputs,
                input_count=shape.inputs,
            )
            if form:
                drawing = filter_grid(
                    weights,
                    outputs,
                    inputs,
                    normalization=form.normalization,
                    colormap=form.colormap,
                    rgb=shape.inputs == 3,
                )
                response.grid = png(drawing)
        return response

    def GetActivations(self, request: GetActivationsRequest, context: grpc.ServicerContext) -> GetActivationsResponse:
        call = Call.of(context)
        model = self._runner.model(request.model)
        order = check_activations(request, model)
        task = Task(layers=tuple(layer.name for layer in order.layers))
        with self._runner.calls.place():
            picture = self._runner.read(request.image, model, call)
            result = self._runner.run(task, model, picture, call)
            found = zip(order.layers, result.activations, strict=True)
            return GetActivationsResponse(
                activations=[_to_activation(layer, values, order, picture, model.name) for layer, values in found],
                predictions=to_predictions(result, model.labels, order.top_k if model.names_classes else 0),
                region=to_region(picture.region),
            )

    def Embed(self, request: EmbedRequest, context: grpc.ServicerContext) -> EmbedResponse:
        call = Call.of(context)
        model = self._runner.model(request.model)
        check_embed(request, model)
        task = Task(features=request.layer)
        with self._runner.calls.place():
            results = self._runner.run_each(task, model, request.images, call, field="images")
        vectors = np.stack([result.features for result in results if result.features is not None])
        return EmbedResponse(embeddings=to_tensor(vectors, DataType.DATA_TYPE_FLOAT32), layer=request.layer)

    def FindPatches(self, request: FindPatchesRequest, context: grpc.ServicerContext) -> FindPatchesResponse:
        Call.of(context)
        model = self._runner.model(request.model)
        with self._runner.calls.place():
            return self._searches.patches(request, model)

    def FindNeighbors(self, request: FindNeighborsRequest, context: grpc.ServicerContext) -> FindNeighborsResponse:
        call = Call.of(context)
        model = self._runner.model(request.model)
        with self._runner.calls.place():
            return self._searches.neighbors(request, model, call)


def _to_activation(
    layer: Layer, values: NDArray[np.float32], order: ActivationOrder, picture: Picture, model: str
) -> Activation:
    channels = _chosen(layer, values, order)
    shown = values[channels]
    activation = Activation(
        layer=layer.name,
        values=to_tensor(shown, order.data_type),
        channels=channels,
        channel_count=layer.channels,
    )
    if order.grid:
        assert picture.original is not None
        drawing = activation_grid(
            shown,
            channels,
            picture=picture.original.crop(whole_pixels(picture.region)),
            title=f"{model}, {layer.name}",
            normalization=order.grid.normalization,
            colormap=order.grid.colormap,
        )
        activation.grid = png(drawing)
    return activation


def _chosen(layer: Layer, values: NDArray[np.float32], order: ActivationOrder) -> list[int]:
    """The channels that are wanted, in the order that is wanted."""
    wanted = set(order.channels)
    sorted_channels: Sequence[int] = channel_order(values, order.order)
    if order.channels and order.order == "index":
        sorted_channels = order.channels
    chosen = [channel for channel in sorted_channels if not wanted or channel in wanted]
    return chosen[: order.limit or None]
