"""Our reader and writer of protobuf text against Google's, over a descriptor made from our own tables."""

from __future__ import annotations

import struct

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detectnet.spec.build import Builder
from detectnet.spec.kinds import ROOTS
from detectnet.spec.message import Message, text_of
from detectnet.spec.schema import FLOATS, INTEGERS, Enum, Field, MessageType
from detectnet.spec.text import read

KINDS = ("experiment", "dataset", "inference")
PB = descriptor_pb2.FieldDescriptorProto
SCALARS = {
    "int32": PB.TYPE_INT32,
    "uint32": PB.TYPE_UINT32,
    "float": PB.TYPE_FLOAT,
    "double": PB.TYPE_DOUBLE,
    "bool": PB.TYPE_BOOL,
    "string": PB.TYPE_STRING,
}


def describe(kind: MessageType, into: descriptor_pb2.DescriptorProto, path: str) -> None:
    """Google's description of a table, its sub-messages nested below it."""
    for number, row in enumerate(kind.fields, start=1):
        field = into.field.add(name=row.name, number=number, label=PB.LABEL_REPEATED if row.repeated else 1)
        target = field
        if row.map:
            entry = into.nested_type.add(name=row.name.title().replace("_", "") + "Entry")
            entry.options.map_entry = True
            entry.field.add(name="key", number=1, label=1, type=PB.TYPE_STRING)
            target = entry.field.add(name="value", number=2, label=1)
            field.label, field.type = PB.LABEL_REPEATED, PB.TYPE_MESSAGE
            field.type_name = f"{path}.{entry.name}"
        set_type(row, target, into, path)


def set_type(row: Field, target, into, path: str) -> None:
    if isinstance(row.type, MessageType):
        nested = into.nested_type.add(name=f"M_{row.name}")
        target.type, target.type_name = PB.TYPE_MESSAGE, f"{path}.{nested.name}"
        describe(row.type, nested, f"{path}.{nested.name}")
    elif isinstance(row.type, Enum):
        made = into.enum_type.add(name=f"E_{row.name}")
        for value, name in enumerate(row.type.names):
            made.value.add(name=name, number=value)
        target.type, target.type_name = PB.TYPE_ENUM, f"{path}.{made.name}"
    else:
        target.type = SCALARS[row.type]


def google_classes() -> dict:
    file = descriptor_pb2.FileDescriptorProto(name="spec.proto", package="p", syntax="proto3")
    for kind in KINDS:
        describe(ROOTS[kind], file.message_type.add(name=kind), f".p.{kind}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {kind: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"p.{kind}")) for kind in KINDS}


GOOGLE = google_classes()


def ours(text: str, kind: str) -> Message:
    tree, problems = read(text)
    builder = Builder(ROOTS[kind], "<text>")
    message = builder.build(tree)
    assert [*problems, *builder.problems] == []
    return message


def as_google(message: Message, into) -> None:
    """Set what our message was given, field by field, without any text between."""
    for name, value in message._values.items():
        row = message._type.by_name[name]
        target = getattr(into, name)
        if row.map:
            for key, item in value.items():
                if row.is_message:
                    target[key].SetInParent()
                    as_google(item, target[key])
                else:
                    target[key] = item
        elif row.repeated:
            for item in value:
                as_google(item, target.add()) if row.is_message else target.append(number(row, item, into))
        elif row.is_message:
            target.SetInParent()
            as_google(value, target)
        else:
            setattr(into, name, number(row, value, into))


def number(row: Field, value, into):
    if isinstance(row.type, Enum):
        return row.type.names.index(value)
    return value


def scalars(row: Field) -> st.SearchStrategy:
    if isinstance(row.type, Enum):
        return st.sampled_from(row.type.names)
    if isinstance(row.allowed, tuple) and row.allowed:
        return st.sampled_from(row.allowed)
    if row.type == "bool":
        return st.booleans()
    if row.type == "string":
        return st.text(max_size=12)
    if row.type in INTEGERS:
        low, high = INTEGERS[row.type]
        return (
            st.integers(low, high)
            .map(lambda one: one - one % row.multiple if row.multiple else one)
            .filter(row.admits)
        )
    return st.one_of(st.floats(0, 1, width=32), st.floats(0, 2.0**100, width=32)).filter(row.admits)


def values(row: Field, depth: int) -> st.SearchStrategy:
    one = messages(row.type, depth - 1) if row.is_message else scalars(row)
    if row.map:
        keys = st.text(st.characters(min_codepoint=32, max_codepoint=1000), min_size=1, max_size=8)
        return st.dictionaries(
            keys.map(str.lower).filter(lambda key: key == key.lower()), one, min_size=1, max_size=3
        )
    return st.lists(one, min_size=1, max_size=3) if row.repeated else one


@st.composite
def messages(draw, kind: MessageType, depth: int = 5) -> Message:
    rows = [row for row in kind.fields if depth > 1 or not row.is_message]
    chosen = draw(st.lists(st.sampled_from(rows), max_size=4, unique_by=lambda row: row.name)) if rows else []
    for names in kind.oneofs:
        rivals = [row for row in chosen if row.name in names]
        chosen = [row for row in chosen if row not in rivals[1:]]
    return Message(kind, "<made>", _values={row.name: draw(values(row, depth)) for row in chosen})


SLOW = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])


@SLOW
@given(st.sampled_from(KINDS).flatmap(lambda kind: messages(ROOTS[kind])))
def test_text_is_read_back_equal_by_us_and_by_google(message):
    text = message.to_text()
    assert ours(text, message.kind) == message
    assert ours(text, message.kind).to_text() == text
    theirs, expected = GOOGLE[message.kind](), GOOGLE[message.kind]()
    text_format.Parse(text, theirs)
    as_google(message, expected)
    assert theirs == expected


@SLOW
@given(st.sampled_from(KINDS).flatmap(lambda kind: messages(ROOTS[kind])))
def test_what_google_writes_we_read(message):
    expected = GOOGLE[message.kind]()
    as_google(message, expected)
    back = GOOGLE[message.kind]()
    as_google(ours(text_format.MessageToString(expected), message.kind), back)
    assert back == expected


@SLOW
@given(st.text(alphabet=st.sampled_from("ab: {}[]<>,;#\"'\\\n-1.0e"), max_size=60))
def test_any_text_gives_a_tree_or_problems_with_their_lines(text):
    tree, problems = read(text)
    assert tree.entries or problems or not text.split("#")[0].strip(" \n,;:") or "#" in text
    assert all(1 <= one.line <= text.count("\n") + 1 for one in problems)


NOTATION = """\
# every notation that protobuf text allows
random_seed: 0x2A;
dataset_config <
  data_sources: [ { tfrecords_path: "a" ' b' }, { tfrecords_path: '\\x41\\102\\n\\u00e9' } ],
  target_class_mapping { key: "k" value: "v" } , target_class_mapping: { value: "w"  key: "l" }
  sampling_mode: 2
>
model_config { freeze_blocks: [0, 1.5] num_layers: 012 use_pooling: t all_projections: 0 }
augmentation_config { spatial_augmentation { zoom_min: .5 zoom_max: 1.f translate_max_x: 1E+1 fill: 0.25F } }
evaluation_config { width_edges: [] average_precision_mode: INTEGRATE } # end
"""


def test_every_notation_as_google_reads_it():
    expected = GOOGLE["experiment"]()
    text_format.Parse(NOTATION, expected)
    found = GOOGLE["experiment"]()
    as_google(ours(NOTATION, "experiment"), found)
    assert found == expected
    assert found.random_seed == 42
    assert found.model_config.num_layers == 10


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a {\n b: 1\n", 1, "never closed"),
        ("a: 1\n}\n", 2, "closes nothing"),
        ("a: 1\nb 2\n", 2, "':' is missing after 'b'"),
        ("a:\nb: 2\n", 1, "no value"),
        ('a: "x\nb: 1', 1, "no closing quote"),
        ("a: [1, 2\nb: 1", 1, "never closed with ']'"),
        ("a: /path/to\nb: 1", 1, "quotes"),
        ("a < b: 1 }", 1, "'}' closes a block that needs '>'"),
        ('a: "\\q"', 1, "unknown escape"),
        ('a: "\\xff"', 1, "UTF-8"),
        ('a: "\\ud800"', 1, "no Unicode character"),
        ("a: 1\n5: 3\n", 2, "field name"),
        ("a: 1 2\n", 1, "unexpected '2'"),
    ],
)
def test_mistakes_of_notation_are_found_on_their_line(text, line, words):
    problems = read(text)[1]
    assert [one.line for one in problems] == [line]
    assert words in problems[0].sentence("")


def test_reading_goes_on_behind_a_mistake():
    tree, problems = read("a: /x/y z\nb: 1\nc {\n d:\n}\ne: 2\n")
    assert [one.line for one in problems] == [1, 4]
    assert [entry.name for entry in tree.entries] == ["b", "c", "e"]


def float32(value: float) -> float:
    return struct.unpack("f", struct.pack("f", value))[0]


def test_numbers_keep_the_digits_of_the_file():
    """Google rounds to float32; the text that we write again does not depend on that."""
    message = ours("training_config { regularizer { weight: 3.00000002618e-09 } }", "experiment")
    assert message.training_config.regularizer.weight == 3.00000002618e-09
    theirs = GOOGLE["experiment"]()
    text_format.Parse(message.to_text(), theirs)
    assert theirs.training_config.regularizer.weight == float32(3.00000002618e-09)


@SLOW
@given(messages(ROOTS["experiment"]), messages(ROOTS["experiment"]), st.data())
def test_text_of_depends_on_the_named_messages_only(first, second, data):
    names = data.draw(st.lists(st.sampled_from(list(ROOTS["experiment"].by_name)), min_size=1, unique=True))
    kept = {name: value for name, value in first._values.items() if name in names}
    others = {name: value for name, value in second._values.items() if name not in names}
    assert text_of(Message(first._type, "x", _values=others | kept), names) == text_of(first, names)
    same = kept == {name: value for name, value in second._values.items() if name in names}
    assert (text_of(first, names) == text_of(second, names)) == same


def test_tables_have_types_that_exist():
    def walk(kind: MessageType) -> None:
        for row in kind.fields:
            assert isinstance(row.type, (MessageType, Enum)) or row.type in {*SCALARS}
            assert row.type in {*INTEGERS, *FLOATS} or not isinstance(row.allowed, str) or not row.allowed
            assert not hasattr(Message, row.name), f"'{row.name}' hides a method of Message"
            if not row.is_message and not row.repeated and not row.map and row.effective is not None:
                assert row.admits(row.effective) or row.required or row.zero_is_unset, row.name
            if isinstance(row.type, MessageType):
                walk(row.type)

    for root in ROOTS.values():
        walk(root)
