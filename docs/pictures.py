"""python docs/pictures.py: make the pictures of docs/methods.md with a local cluster."""

from pathlib import Path

from convscope.client import Client
from convscope.client.cli.demo import MODEL, local_cluster, photographs
from convscope.client.errors import FailedPrecondition
from convscope.client.methods import METHODS

OUT = Path(__file__).parent / "images" / "methods"
WIDTH = 240


def make() -> None:
    cat = next(path for path in photographs() if path.name == "chelsea.png")
    with local_cluster() as cluster, Client.connect(cluster["server"], timeout=600) as client:
        for method in METHODS:
            try:
                answer = client.attribute(cat, model=MODEL, method=method, target="tabby")
            except FailedPrecondition as error:
                print(f"{method}: {error.message}")
                continue
            drawing = answer.overlay()
            drawing.thumbnail((WIDTH, WIDTH))
            drawing.save(OUT / f"{method}.jpg", quality=88)


if __name__ == "__main__":
    make()
