"""The cluster that the page shows."""

from convscope.client import AsyncClient, Layer, Model, Tls
from convscope.client.client import DEFAULT_TIMEOUT
from convscope.client.errors import ClientError
from convscope.client.settings import ClientSettings


class Cluster:
    """One connection for everybody who looks at the page. It keeps nothing of what they ask."""

    def __init__(self, settings: ClientSettings) -> None:
        self._settings = settings
        self._client: AsyncClient | None = None

    @property
    def address(self) -> str:
        """host:port, as it was given."""
        return self._settings.server

    @property
    def client(self) -> AsyncClient:
        """Made where the event loop runs."""
        if self._client is None:
            settings = self._settings
            self._client = AsyncClient.connect(
                settings.server,
                token=settings.token.get_secret_value() or None,
                tls=Tls(ca=settings.tls_ca) if settings.tls_ca else None,
                timeout=settings.timeout or DEFAULT_TIMEOUT,
            )
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
