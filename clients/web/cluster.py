"""The cluster that the page shows."""

from convscope.client import AsyncClient, Layer, Model
from convscope.client.errors import ClientError
from convscope.client.settings import ClientSettings


class Cluster:
    """One connection for everybody who looks at the page. It keeps nothing of what they ask."""

    def __init__(self, settings: ClientSettings) -> None:
        """Raises InvalidArgument for a token file that holds none."""
        self.address = settings.server
        """host:port, as it was given."""
        self._connection = settings.connection()
        self._client: AsyncClient | None = None

    @property
    def client(self) -> AsyncClient:
        """Made where the event loop runs."""
        if self._client is None:
            self._client = AsyncClient.connect(self.address, **self._connection)
        return self._client

    async def close(self) -> None:
        """End the connection."""
        if self._client is not None:
            await self._client.close()

    async def answers(self) -> bool:
        """Whether somebody is there to ask."""
        try:
            return await self.client.ready(timeout=1)
        except ClientError:
            return False

    async def models(self) -> tuple[list[str], str | None]:
        """The names of the catalogue, and the one to begin with: one that is loaded. Raises ClientError."""
        models = await self.client.models()
        names = [model.name for model in models]
        ready = [model.name for model in models if model.state == "loaded"]
        return names, next(iter(ready or names), None)

    async def loaded(self, name: str) -> Model:
        """A model with its layers and labels; it is loaded where it is not. Raises ClientError."""
        model = await self.client.model(name)
        return model if model.state == "loaded" else await self.client.load_model(name)


def grids(model: Model) -> list[Layer]:
    """The layers whose output is a grid of channels."""
    return [layer for layer in model.layers if len(layer.output_shape) == 3]
