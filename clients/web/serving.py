"""The page as a web server."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from socket import socket

import gradio as gr
import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.staticfiles import StaticFiles

from convscope.web.cluster import Cluster
from convscope.web.page import page
from convscope.web.page_file import page_file
from convscope.web.subject import FOLDER, SAMPLES_URL
from convscope.web.theme import theme

# Gradio's components compile their templates and charts in the browser. Nothing comes from or goes to another host.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline';"
    " img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self' data:; connect-src 'self' data: blob:;"
    " worker-src 'self' blob:; frame-src 'self' blob: data:; object-src 'none'; base-uri 'self'"
)
MAX_FILE_SIZE = "64mb"
# Pages that are open hold connections, and open others as soon as the page is back.
GRACE_SECONDS = 3


def application(cluster: Cluster) -> FastAPI:
    """The page, and /healthz for those who watch it."""

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        yield
        await cluster.close()

    app = FastAPI(lifespan=life, docs_url=None, redoc_url=None, openapi_url=None)

    app.mount(SAMPLES_URL, StaticFiles(directory=FOLDER))

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        """The page is served. Its cluster is not asked: a page that says that it is away is healthy."""
        return {"status": "serving"}

    @app.middleware("http")
    async def protect(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await call_next(request)
        response.headers["Content-Security-Policy"] = POLICY
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        return response

    blocks = page(cluster)
    blocks.queue(default_concurrency_limit=None, api_open=False)
    mounted: FastAPI = gr.mount_gradio_app(
        app,
        blocks,
        path="/",
        footer_links=[],
        run_history=False,
        show_error=True,
        max_file_size=MAX_FILE_SIZE,
        ssr_mode=False,
        theme=theme(),
        css=page_file("page.css"),
    )
    return mounted


def serve(cluster: Cluster, listener: socket) -> None:
    """Until SIGTERM or Ctrl-C."""
    config = uvicorn.Config(application(cluster), log_level="warning", timeout_graceful_shutdown=GRACE_SECONDS)
    uvicorn.Server(config).run([listener])
