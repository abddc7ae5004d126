"""TensorFlow's ``Example`` message without TensorFlow: the same fields, so the same bytes.

The descriptor is built here and kept in a pool of its own: in the default pool it would clash with
TensorFlow's where both are loaded. Source of the fields: tensorflow/core/example/{example,feature}.proto.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

Values = list[bytes] | list[int] | list[float]
_PACKAGE = "detectnet"
_FIELD = descriptor_pb2.FieldDescriptorProto
_LISTS = {  # kind of list: field number in Feature, type of its values
    "bytes_list": (1, "BytesList", _FIELD.TYPE_BYTES),
    "float_list": (2, "FloatList", _FIELD.TYPE_FLOAT),
    "int64_list": (3, "Int64List", _FIELD.TYPE_INT64),
}


def encode(features: Mapping[str, tuple[str, Sequence[bytes] | Sequence[int] | Sequence[float]]]) -> bytes:
    """Serialise an ``Example``; the same features always give the same bytes (keys sorted).

    Args:
        features: key -> (``bytes_list``, ``float_list`` or ``int64_list``; values). A list without
            values is written as an empty list of its kind. Floats are stored as float32.
    """
    example = _Example()
    for key, (kind, values) in features.items():
        chosen = getattr(example.features.feature[key], kind)
        chosen.SetInParent()
        chosen.value.extend(values)
    return example.SerializeToString(deterministic=True)


def decode(data: bytes) -> dict[str, Values]:
    """The lists of values of a serialised ``Example`` by key; a feature without a kind gives [].

    Raises:
        ValueError: the bytes are no ``Example``.
    """
    example = _Example()
    try:
        example.ParseFromString(data)
    except DecodeError as error:
        raise ValueError("not an Example message") from error
    return {key: _values(feature) for key, feature in example.features.feature.items()}


def _values(feature: object) -> Values:
    kind = feature.WhichOneof("kind")
    return list(getattr(feature, kind).value) if kind else []


def _file() -> descriptor_pb2.FileDescriptorProto:
    made = descriptor_pb2.FileDescriptorProto(
        name="detectnet/example.proto", package=_PACKAGE, syntax="proto3"
    )
    feature = descriptor_pb2.DescriptorProto(name="Feature")
    feature.oneof_decl.add(name="kind")
    for kind, (number, name, value_type) in _LISTS.items():
        values = made.message_type.add(name=name)
        _add(values, "value", 1, value_type, repeated=True)
        _add(feature, kind, number, name).oneof_index = 0
    made.message_type.append(feature)
    features = made.message_type.add(name="Features")
    entry = features.nested_type.add(name="FeatureEntry")
    entry.options.map_entry = True
    _add(entry, "key", 1, _FIELD.TYPE_STRING)
    _add(entry, "value", 2, "Feature")
    _add(features, "feature", 1, "Features.FeatureEntry", repeated=True)
    _add(made.message_type.add(name="Example"), "features", 1, "Features")
    return made


def _add(
    message: descriptor_pb2.DescriptorProto, name: str, number: int, kind: int | str, repeated: bool = False
) -> descriptor_pb2.FieldDescriptorProto:
    label = _FIELD.LABEL_REPEATED if repeated else _FIELD.LABEL_OPTIONAL
    added = message.field.add(name=name, number=number, label=label)
    if isinstance(kind, str):
        added.type, added.type_name = _FIELD.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"
    else:
        added.type = kind
    return added


def _message_class() -> type:
    pool = descriptor_pool.DescriptorPool()
    pool.Add(_file())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Example"))


_Example = _message_class()
