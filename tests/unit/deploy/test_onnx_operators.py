"""What TensorRT 8.2 does not read is refused before a file is written, and the node is named."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from detectnet.deploy.onnx_graph.operators import (
    EXPECTED_OPERATORS,
    RESHAPING_OPERATORS,
    check_operators,
)
from detectnet.errors import UserError

# The operators that the table of TensorRT 8.2's parser has for convolutional networks.
TENSORRT_8_2 = {
    *("Add", "AveragePool", "BatchNormalization", "Cast", "Clip", "Concat", "Conv", "ConvTranspose", "Div"),
    *("Elu", "GlobalAveragePool", "HardSigmoid", "Identity", "LeakyRelu", "MaxPool", "Mul", "PRelu", "Pad"),
    *("Relu", "Reshape", "Resize", "Sigmoid", "Softplus", "Sub", "Transpose"),
}
KERNEL = np.ones((2, 2, 3, 3), np.float32)


def conv(source="x", made="made", name="stem", kernel="kernel", **attributes):
    return helper.make_node("Conv", [source, kernel], [made], name=name, **attributes)


def model(*nodes, constants=(), outputs=("y",)):
    """A graph of (1, 2, 8, 8) whose nodes make the outputs; not run, only looked at."""
    tensors = [numpy_helper.from_array(KERNEL, "kernel")]
    tensors += [numpy_helper.from_array(np.asarray(value), name) for name, value in constants]
    made = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2, 8, 8])]
    return helper.make_model(helper.make_graph(nodes, "g", inputs, made, tensors))


def refused(*nodes, **more):
    with pytest.raises(UserError) as caught:
        check_operators(model(*nodes, **more), "some.keras")
    assert "some.keras" in str(caught.value)
    return str(caught.value)


def test_all_operators_that_may_come_out_are_in_the_table():
    assert EXPECTED_OPERATORS | RESHAPING_OPERATORS <= TENSORRT_8_2


def test_each_expected_operator_is_taken():
    nodes = [
        conv(made="a", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"], name="relu"),
        helper.make_node("Clip", ["b", "zero", "six"], ["c"], name="clip"),
        helper.make_node("Add", ["b", "c"], ["d"], name="add"),
        helper.make_node("Pad", ["d", "zeros"], ["e"], name="pad"),
        helper.make_node("MaxPool", ["e"], ["f"], name="max", kernel_shape=[2, 2]),
        helper.make_node("AveragePool", ["e"], ["g"], name="mean", kernel_shape=[2, 2]),
        helper.make_node("Concat", ["f", "g"], ["h"], name="join", axis=1),
        helper.make_node("Sigmoid", ["h"], ["i"], name="squash"),
        helper.make_node("Transpose", ["i"], ["y"], name="turn", perm=[0, 1, 3, 2]),
        helper.make_node("Reshape", ["h", "shape"], ["z"], name="fold"),
    ]
    constants = [("zero", np.float32(0)), ("six", np.float32(6)), ("zeros", [0] * 8), ("shape", [1, -1, 9])]
    whole = model(*nodes, constants=constants, outputs=("y", "z"))
    assert {node.op_type for node in whole.graph.node} == EXPECTED_OPERATORS | RESHAPING_OPERATORS
    check_operators(whole)


@pytest.mark.parametrize("operator", sorted(TENSORRT_8_2 - EXPECTED_OPERATORS - RESHAPING_OPERATORS))
def test_an_operator_that_no_backbone_needs_is_refused(operator):
    said = refused(helper.make_node(operator, ["x"], ["y"], name="here"))
    assert f"the node 'here' ({operator}) of the exported network was not tried on the device" in said


def test_an_operator_of_another_domain_is_no_operator_of_the_table():
    said = refused(helper.make_node("Relu", ["x"], ["y"], name="here", domain="com.microsoft"))
    assert "'here' (Relu)" in said


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"auto_pad": "SAME_UPPER"}, "leaves its padding to the reader (SAME_UPPER)"),
        ({"auto_pad": "SAME_LOWER"}, "leaves its padding to the reader (SAME_LOWER)"),
        ({"pads": [1, 1, -1, 1]}, "has a negative padding"),
    ],
)
def test_padding_is_given_in_numbers(attributes, reason):
    assert f"'stem' (Conv) of the exported network {reason}" in refused(conv(made="y", **attributes))
    check_operators(model(conv(made="y", auto_pad="VALID")))


def test_weights_and_limits_and_shapes_are_constants():
    relu = helper.make_node("Relu", ["x"], ["w"], name="relu")
    assert "'stem' (Conv) of the exported network has weights that are computed" in refused(
        relu, conv(made="y", kernel="w")
    )
    clip = helper.make_node("Clip", ["x", "", "w"], ["y"], name="clip")
    assert "'clip' (Clip) of the exported network has limits that are computed" in refused(relu, clip)
    pad = helper.make_node("Pad", ["x", "w"], ["y"], name="pad")
    assert "'pad' (Pad) of the exported network has a padding that is computed" in refused(relu, pad)
    fold = helper.make_node("Reshape", ["x", "w"], ["y"], name="fold")
    assert "'fold' (Reshape) of the exported network has a shape that is computed" in refused(relu, fold)


def test_only_pictures_are_convolved_and_pooled():
    flat = [("flat", KERNEL[..., 0])]
    assert "convolves 1 axes, 2 are expected" in refused(conv(made="y", kernel="flat"), constants=flat)
    deep = helper.make_node("MaxPool", ["x"], ["y"], name="pool", kernel_shape=[2, 2, 2])
    assert "'pool' (MaxPool) of the exported network pools 3 axes" in refused(deep)


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"dilations": [2, 2]}, "is dilated"),
        ({"storage_order": 1}, "counts column by column"),
        ({"auto_pad": "SAME_UPPER"}, "leaves its padding to the reader"),
    ],
)
def test_a_pooling_that_tensorrt_cannot_do(attributes, reason):
    pool = helper.make_node("MaxPool", ["x"], ["y"], name="pool", kernel_shape=[2, 2], **attributes)
    assert f"'pool' (MaxPool) of the exported network {reason}" in refused(pool)


def test_the_second_output_of_a_pooling_is_refused():
    pool = helper.make_node("MaxPool", ["x"], ["y", "where"], name="pool", kernel_shape=[2, 2])
    assert "'pool' (MaxPool) of the exported network has 2 outputs" in refused(pool)


def test_padding_is_constant_and_channels_are_joined():
    pad = helper.make_node("Pad", ["x", "zeros"], ["y"], name="pad", mode="reflect")
    assert "'pad' (Pad) of the exported network pads by reflect" in refused(
        pad, constants=[("zeros", [0] * 8)]
    )
    join = helper.make_node("Concat", ["x", "x"], ["y"], name="join", axis=2)
    assert "'join' (Concat) of the exported network joins along axis 2" in refused(join)


@pytest.mark.parametrize(
    ("kind", "name"), [(np.float16, "FLOAT16"), (np.float64, "DOUBLE"), (np.int64, "INT64")]
)
def test_every_weight_is_float32(kind, name):
    said = refused(conv(made="y", kernel="other"), constants=[("other", KERNEL.astype(kind))])
    assert f"'stem' (Conv) of the exported network reads 'other' as {name}, FLOAT is expected" in said


def test_one_reshape_may_stand_before_each_output_and_a_second_is_named():
    shared = helper.make_node("Transpose", ["x"], ["a"], name="shared", perm=[0, 1, 3, 2])
    heads = [helper.make_node("Relu", ["a"], [name], name=f"head_{name}") for name in "yz"]
    check_operators(model(shared, *heads, outputs=("y", "z")))
    second = helper.make_node("Transpose", ["a"], ["y"], name="second", perm=[0, 1, 3, 2])
    said = refused(shared, second, heads[1], outputs=("y", "z"))
    assert "'second' (Transpose) of the exported network is one of 2 that reshape on the way to y" in said
