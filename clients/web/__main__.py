"""python -m convscope.web: the page until Ctrl-C."""

import socket
import sys

from pydantic import ValidationError
from pydantic_settings import CliApp

from convscope.client.errors import ClientError
from convscope.client.settings import fault
from convscope.web.cluster import Cluster
from convscope.web.settings import WebSettings


def main() -> int:
    try:
        settings = CliApp.run(WebSettings)
    except ValidationError as error:
        say(f"error: {fault(error)}")
        return 1
    try:
        cluster = Cluster(settings)
        listener = socket.create_server((settings.host, settings.port))
    except ClientError as error:
        say(f"error: {error}")
        return 1
    except OSError as error:
        say(f"error: {settings.host}:{settings.port} cannot be listened on: {error.strerror}; choose another --port")
        return 1
    from convscope.web.serving import serve

    say(f"the page is at http://{settings.host}:{listener.getsockname()[1]}, for the cluster at {settings.server}")
    serve(cluster, listener)
    return 0


def say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
