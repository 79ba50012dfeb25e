"""Images of a collection with what is known about them, as an evaluation takes them."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
import torch
from google.protobuf.json_format import Parse
from numpy.typing import NDArray
from PIL import Image

from convscope.engine.attribution.target import ClassTarget
from convscope.engine.errors import ConvscopeError
from convscope.engine.evaluation.case import Case
from convscope.engine.imaging.decode import decode
from convscope.engine.models.model import Model
from convscope.engine.words.captioner import Captioner, caption
from convscope.services.common.collections.annotating import to_mask
from convscope.services.common.collections.collection import (
    StoredAnnotation,
    StoredImage,
    annotation_path,
    image_path,
)
from convscope.services.common.collections.records import CollectionRecords
from convscope.services.common.errors import TruthMissing
from convscope.services.common.jobs.artifacts import Artifacts
from convscope.services.common.sentences import CaptionPart, Sentence, said_caption
from convscope.services.common.targets import check_target, target_name
from convscope.v1.target_pb2 import Target


@dataclass(frozen=True, eq=False)
class Example:
    """An annotation with its image, or an image alone."""

    id: str
    """Of the annotation; of an image alone its file's name."""
    image: StoredImage
    image_number: int
    picture: Image.Image
    """Upright RGB, whole."""
    case: Case
    sentence: Sentence | None
    """What the model reads besides; None: nothing."""

    def says(self, target: ClassTarget, model: Model) -> str:
        """What is asked of it, in words. target: with the top class named."""
        if self.sentence is None:
            return target_name(target, model.labels)
        if self.sentence.kind == "question":
            return f"{self.sentence.text}? {target_name(target, model.labels)}"
        if len(target.classes) == len(self.sentence.tokens):
            return self.sentence.text
        said = [self.sentence.words[place] for place in target.classes]
        return f"{' '.join(said)}, of: {self.sentence.text}"


class Examples:
    """Those of a collection, read when they are asked for."""

    def __init__(
        self,
        collection: str,
        model: Model,
        records: CollectionRecords,
        artifacts: Artifacts,
        *,
        annotated: bool,
        source: str | None,
    ) -> None:
        """annotated: whether the numbers are those of annotations, or of images. source: what is known of attention:
        people's maps; truth, the mask; None: nothing. Raises TruthMissing for images of a model that answers questions.
        """
        if model.task == "vqa" and not annotated:
            message = f"the model {model.name} answers questions, and the collection has none: it has no annotations"
            raise TruthMissing(message, reason="QUESTIONS_MISSING", field="collection")
        self._collection = collection
        self._model = model
        self._records = records
        self._artifacts = artifacts
        self._annotated = annotated
        self._source = source

    def read(self, numbers: Sequence[int]) -> list[Example]:
        """Raises what a model says of a target that it does not know, naming the annotation; OSError."""
        return [self._annotation(number) if self._annotated else self._image(number) for number in numbers]

    def _image(self, number: int) -> Example:
        (image,) = self._records.numbered(self._collection, [number])
        return self._make(StoredAnnotation(image.file_name, number, "", ""), image, number)

    def _annotation(self, number: int) -> Example:
        (annotation,) = self._records.annotations(self._collection, number, 1)
        (image,) = self._records.numbered(self._collection, [annotation.image_number])
        try:
            return self._make(annotation, image, number)
        except ConvscopeError as error:
            error.message, error.field = f"the annotation {annotation.id}: {error.message}", "collection"
            raise

    def _make(self, annotation: StoredAnnotation, image: StoredImage, number: int) -> Example:
        picture = decode(self._artifacts.get(image_path(self._collection, image.sha256)), field="image")
        crop, _ = self._model.preprocessing.crop(picture)
        target, sentence = self._asked(annotation.target, crop)
        mask = self._mask(annotation, picture)
        case = Case(
            crop,
            target,
            sentence.tokens if sentence else (),
            mask,
            self._attention(annotation, picture, mask),
            number,
        )
        return Example(annotation.id, image, annotation.image_number, picture, case, sentence)

    def _asked(self, written: str, crop: torch.Tensor) -> tuple[ClassTarget, Sentence | None]:
        checked = check_target(Parse(written, Target()) if written else Target(), self._model, "target")
        target, sentence = checked.target, checked.sentence
        if sentence is None and checked.beams:
            sentence = self._said(crop, checked.beams)
        if isinstance(target, CaptionPart):
            assert sentence is not None
            (target,) = target.targets(sentence)
        assert isinstance(target, ClassTarget)
        return target, sentence

    def _said(self, crop: torch.Tensor, beams: int) -> Sentence:
        """The model's own caption."""
        assert isinstance(self._model.network, Captioner)
        images = self._model.preprocessing.normalize(crop[None].to(self._model.device))
        (tokens,), _ = caption(self._model.network, images, beams=beams)
        return said_caption(tokens.tolist(), self._model)

    def _mask(self, annotation: StoredAnnotation, picture: Image.Image) -> NDArray[np.bool_] | None:
        """Of what the model sees of the picture; None where there is nothing of the thing."""
        if not annotation.mask:
            return None
        found = to_mask(self._seen(self._file(annotation.mask), picture, Image.Resampling.NEAREST))
        return found if found.any() else None

    def _attention(
        self, annotation: StoredAnnotation, picture: Image.Image, mask: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.float32], ...]:
        if self._source == "truth":
            return () if mask is None else (mask.astype(np.float32),)
        if self._source is None:
            return ()
        files = [self._file(sha256) for _, sha256 in annotation.attention]
        return tuple(np.asarray(self._seen(file, picture, Image.Resampling.BILINEAR), np.float32) for file in files)

    def _file(self, sha256: str) -> Image.Image:
        data = self._artifacts.get(annotation_path(self._collection, sha256))
        return Image.open(BytesIO(data)).convert("L")

    def _seen(self, file: Image.Image, picture: Image.Image, resampling: Image.Resampling) -> Image.Image:
        """The part of a mask or a map that the model sees, at the size of its input."""
        size = self._model.preprocessing
        left, top, right, bottom = size.region(*picture.size)
        across, down = file.width / picture.width, file.height / picture.height
        return file.resize(
            (size.width, size.height), resampling, box=(left * across, top * down, right * across, bottom * down)
        )
