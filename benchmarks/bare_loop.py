"""python -m benchmarks.bare_loop MODEL TARGET STEPS THREADS: seconds of the bare loop of class visualisation, in a
process of its own as a worker's child is one; from the first step to the last."""

import sys
import time

import torch

from convscope.engine.models.catalogue import Catalogue
from convscope.engine.synthesis.class_visualization import class_visualization
from convscope.engine.synthesis.parameters import ClassVisualizationParameters


def main(model: str, target: str, steps: str, threads: str) -> None:
    torch.set_num_threads(int(threads))
    parameters = ClassVisualizationParameters(steps=int(steps))
    synthesis = class_visualization(Catalogue.read().load(model), [int(target)], parameters)
    synthesis.advance()
    started = time.perf_counter()
    while synthesis.step < synthesis.total:
        synthesis.advance()
    print(time.perf_counter() - started)


if __name__ == "__main__":
    main(*sys.argv[1:])
