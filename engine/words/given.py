"""A network that reads words besides the picture, with its words given."""

from torch import Tensor, nn

from convscope.engine.models.layers import share_layers


class Given(nn.Module):
    """Takes pictures only, as every method of attribution expects of a network; its layers are the network's own.

    Of a captioner the scores are the log-probabilities of the given sentence's words, of a network that answers
    questions the scores of the answers to the given question.
    """

    def __init__(self, network: nn.Module, words: Tensor) -> None:
        """network: called with pictures [N, 3, H, W] and tokens [N, L]. words: tokens [N, L], or [1, L] for all."""
        super().__init__()
        # Not a module around it, which would change the layers' names.
        self._modules, self._parameters, self._buffers = network._modules, network._parameters, network._buffers
        self.__dict__.update(_network=network, _words=words, training=network.training)
        share_layers(network, self)

    @property
    def sentences(self) -> int:
        """How many were given; 1: one for all pictures."""
        return len(self.__dict__["_words"])

    def forward(self, images: Tensor) -> Tensor:
        words: Tensor = self.__dict__["_words"]
        # Who asks what layers there are runs the first picture alone.
        words = words[:1] if len(images) == 1 else words
        scores: Tensor = self.__dict__["_network"](images, words.expand(len(images), -1))
        return scores
