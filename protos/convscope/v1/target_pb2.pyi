from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Target(_message.Message):
    __slots__ = ("class_index", "class_label", "classes", "unit", "caption", "answer", "output")
    class Output(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        OUTPUT_UNSPECIFIED: _ClassVar[Target.Output]
        OUTPUT_SCORE: _ClassVar[Target.Output]
        OUTPUT_PROBABILITY: _ClassVar[Target.Output]
        OUTPUT_LOG_PROBABILITY: _ClassVar[Target.Output]
    OUTPUT_UNSPECIFIED: Target.Output
    OUTPUT_SCORE: Target.Output
    OUTPUT_PROBABILITY: Target.Output
    OUTPUT_LOG_PROBABILITY: Target.Output
    CLASS_INDEX_FIELD_NUMBER: _ClassVar[int]
    CLASS_LABEL_FIELD_NUMBER: _ClassVar[int]
    CLASSES_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    CAPTION_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    class_index: int
    class_label: str
    classes: ClassSum
    unit: Unit
    caption: CaptionTarget
    answer: AnswerTarget
    output: Target.Output
    def __init__(self, class_index: _Optional[int] = ..., class_label: _Optional[str] = ..., classes: _Optional[_Union[ClassSum, _Mapping]] = ..., unit: _Optional[_Union[Unit, _Mapping]] = ..., caption: _Optional[_Union[CaptionTarget, _Mapping]] = ..., answer: _Optional[_Union[AnswerTarget, _Mapping]] = ..., output: _Optional[_Union[Target.Output, str]] = ...) -> None: ...

class ClassReference(_message.Message):
    __slots__ = ("index", "label")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    index: int
    label: str
    def __init__(self, index: _Optional[int] = ..., label: _Optional[str] = ...) -> None: ...

class ClassSum(_message.Message):
    __slots__ = ("plus", "minus")
    PLUS_FIELD_NUMBER: _ClassVar[int]
    MINUS_FIELD_NUMBER: _ClassVar[int]
    plus: _containers.RepeatedCompositeFieldContainer[ClassReference]
    minus: _containers.RepeatedCompositeFieldContainer[ClassReference]
    def __init__(self, plus: _Optional[_Iterable[_Union[ClassReference, _Mapping]]] = ..., minus: _Optional[_Iterable[_Union[ClassReference, _Mapping]]] = ...) -> None: ...

class Unit(_message.Message):
    __slots__ = ("layer", "channel", "row", "column")
    LAYER_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    ROW_FIELD_NUMBER: _ClassVar[int]
    COLUMN_FIELD_NUMBER: _ClassVar[int]
    layer: str
    channel: int
    row: int
    column: int
    def __init__(self, layer: _Optional[str] = ..., channel: _Optional[int] = ..., row: _Optional[int] = ..., column: _Optional[int] = ...) -> None: ...

class CaptionTarget(_message.Message):
    __slots__ = ("text", "beams", "position", "word")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    BEAMS_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    WORD_FIELD_NUMBER: _ClassVar[int]
    text: str
    beams: int
    position: int
    word: str
    def __init__(self, text: _Optional[str] = ..., beams: _Optional[int] = ..., position: _Optional[int] = ..., word: _Optional[str] = ...) -> None: ...

class AnswerTarget(_message.Message):
    __slots__ = ("question", "answer")
    QUESTION_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    question: str
    answer: str
    def __init__(self, question: _Optional[str] = ..., answer: _Optional[str] = ...) -> None: ...
