"""VGG, MobileNet and SqueezeNet against sums by hand and the published architectures; padding; freezing."""

import keras
import numpy as np
import pytest
from networks import config, outputs, pictures, randomize
from scipy.signal import correlate2d

from detectnet.errors import UserError
from detectnet.network.backbones import BACKBONES
from detectnet.network.blocks import Template, convolve, convolve_depthwise, max_pool
from detectnet.network.model import (
    MIXED,
    build_model,
    count_parameters,
    flops,
    load_model,
    regularization_loss,
    save_model,
)
from detectnet.network.weights import write_hdf5

# arch, further fields: one of each family.
KINDS = {
    "resnet": {"num_layers": 10, "width_multiplier": 0.25},
    "vgg": {"num_layers": 16},
    "mobilenet_v1": {},
    "mobilenet_v2": {},
    "squeezenet": {},
}


def trunk(arch, depth=18, size=(64, 96), **fields):
    inputs = keras.Input((*size, 3), name="input_1")
    return keras.Model(inputs, BACKBONES[arch].build(inputs, Template(num_layers=depth, **fields)))


@pytest.fixture(scope="module")
def detectors():
    """One detector of every family, built once; tests that change weights build their own."""
    return {arch: detector(arch) for arch in KINDS}


def detector(arch, classes=("plate",), size=64, **fields):
    fields = {"arch": arch, **KINDS[arch], **fields}
    policy = fields.pop("policy", "float32")
    return build_model(config(**fields), classes, size, size, policy=policy)


def vgg_parameters(units, norm):
    total, before = 0, 3
    for count, filters in zip(units, (64, 128, 256, 512, 512)):
        for _ in range(count):
            total += 3 * 3 * before * filters + filters + (4 * filters if norm else 0)
            before = filters
    return total


def mobilenet_v1_parameters():
    total, before = 3 * 3 * 3 * 32 + 4 * 32, 32
    for filters in (64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512):
        total += 3 * 3 * before + 4 * before + before * filters + 4 * filters
        before = filters
    return total


def mobilenet_v2_parameters():
    total, before = 3 * 3 * 3 * 32 + 4 * 32, 32
    for block, filters in enumerate((16, 24, 24, 32, 32, 32, 64, 64, 64, 64, 96, 96, 96)):
        wide = before * 6 if block else before
        total += (before * wide + 4 * wide) if block else 0
        total += 3 * 3 * wide + 4 * wide + wide * filters + 4 * filters
        before = filters
    return total


def squeezenet_parameters():
    total, before = 7 * 7 * 3 * 96 + 96, 96
    for squeeze, expand in [(16, 64)] * 2 + [(32, 128)] * 2 + [(48, 192)] * 2 + [(64, 256)] * 2:
        total += before * squeeze + squeeze
        total += squeeze * expand + expand + 3 * 3 * squeeze * expand + expand
        before = 2 * expand
    return total


@pytest.mark.parametrize(
    ("arch", "depth", "norm", "by_hand", "number"),
    [
        ("vgg", 16, True, vgg_parameters((2, 2, 3, 3, 3), True), 14_731_584),
        ("vgg", 16, False, vgg_parameters((2, 2, 3, 3, 3), False), 14_714_688),
        ("vgg", 19, True, vgg_parameters((2, 2, 4, 4, 4), True), 20_046_400),
        ("mobilenet_v1", 18, True, mobilenet_v1_parameters(), 1_627_840),
        ("mobilenet_v2", 18, True, mobilenet_v2_parameters(), 558_656),
        # SqueezeNet 1.0 is published with 1,248,424, of which conv10 has 512 * 1000 + 1000.
        ("squeezenet", 18, True, squeezenet_parameters(), 1_248_424 - 513_000),
    ],
)
def test_parameters_are_the_sum_by_hand(arch, depth, norm, by_hand, number):
    model = trunk(arch, depth, use_batch_norm=norm)
    assert count_parameters(model) == by_hand == number
    assert model.output_shape[1:3] == (4, 6)


@pytest.mark.parametrize(
    ("arch", "depth", "published", "last"),
    [
        ("vgg", 16, keras.applications.VGG16, None),
        ("vgg", 19, keras.applications.VGG19, None),
        ("mobilenet_v1", 18, keras.applications.MobileNet, "conv_pw_11_relu"),
        ("mobilenet_v2", 18, keras.applications.MobileNetV2, "block_12_add"),
    ],
)
def test_convolutions_are_those_of_the_published_network(arch, depth, published, last):
    model = published(weights=None, include_top=False, input_shape=(64, 96, 3))
    if last:
        model = keras.Model(model.input, model.get_layer(last).output)
    ours = trunk(arch, depth, use_batch_norm=arch != "vgg", use_pooling=True)
    assert shapes(ours) == shapes(model)
    if last:  # Keras' own names
        assert ours.layers[-1].name == last
        assert {one.name for one in ours.layers if one.weights} == {
            one.name for one in model.layers if one.weights
        }


def shapes(model):
    """Kernel shapes and output sizes of all convolutions, in order."""
    kinds = keras.layers.Conv2D | keras.layers.DepthwiseConv2D
    return [
        (tuple(one.kernel.shape), one.strides[0], one.use_bias, one.output.shape[1:])
        for one in model.layers
        if isinstance(one, kinds)
    ]


def test_mobilenet_blocks_compute_what_the_published_ones_do(detectors):
    """With the same weights, at stride 1, where padding does not differ."""
    published = keras.applications.MobileNet(weights=None, include_top=False, input_shape=(64, 64, 3))
    ours = detectors["mobilenet_v1"]
    for number in (3, 5, 7):  # blocks of stride 1
        first, last = f"conv_dw_{number}_pad", f"conv_pw_{number}_relu"
        parts = [part(ours, first, last), part(published, f"conv_dw_{number}", last)]
        parts[1].set_weights(randomize(parts[0]).get_weights())
        given = np.random.default_rng(number).normal(size=(2, *parts[0].input_shape[1:])).astype(np.float32)
        np.testing.assert_allclose(*(np.asarray(one(given)) for one in parts), atol=1e-5)


def part(model, first, last):
    """A model of its own from the input of a layer to the output of another; weights are copied."""
    given = keras.Input(model.get_layer(first).input.shape[1:])
    tensor, taken = given, False
    for layer in model.layers:
        taken = taken or layer.name == first
        if taken:
            tensor = type(layer).from_config(layer.get_config())(tensor)
        if layer.name == last:
            return keras.Model(given, tensor)
    raise AssertionError(last)


@pytest.mark.parametrize("depth", [16, 19])
@pytest.mark.parametrize("pooling", [False, True])
def test_vgg_layers_have_the_names_of_the_rule(depth, pooling):
    counts = {16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}[depth]
    model = trunk("vgg", depth, use_pooling=pooling)
    units = [(block, "abcd"[unit]) for block, count in enumerate(counts, 1) for unit in range(count)]
    wanted = ["input_1"]
    for block, unit in units:
        strided = unit == "a" and block > 1
        wanted += [f"block{block - 1}_pool"] if strided and pooling else []
        wanted += [f"block_{block}{unit}_conv_1_padding"] if strided and not pooling else []
        wanted += [f"block_{block}{unit}_{part}" for part in ("conv_1", "bn_1", "relu")]
    assert [one.name for one in model.layers] == wanted
    strides = [model.get_layer(f"block_{block}{unit}_conv_1").strides[0] for block, unit in units]
    assert strides == [2 if unit == "a" and block > 1 and not pooling else 1 for block, unit in units]
    assert model.output_shape == (None, 4, 6, 512)


def test_mobilenets_pad_explicitly_and_have_no_bias(detectors):
    for arch, count, momentum in (("mobilenet_v1", 12, 0.99), ("mobilenet_v2", 14, 0.999)):
        model = detectors[arch]
        pads = [one for one in model.layers if isinstance(one, keras.layers.ZeroPadding2D)]
        assert len(pads) == count
        assert {one.padding for one in pads} == {((1, 1), (1, 1))}
        wide = [
            one
            for one in model.layers
            if hasattr(one, "kernel_size") and one.kernel_size == (3, 3) and one.padding == "valid"
        ]
        assert len(wide) == count
        biased = [one.name for one in model.layers if getattr(one, "use_bias", False)]
        assert biased == ["output_bbox", "output_cov"]
        norms = [one for one in model.layers if isinstance(one, keras.layers.BatchNormalization)]
        assert {one.momentum for one in norms} == {momentum}
        assert {one.epsilon for one in norms} == {1e-3}
        limits = {float(one.max_value) for one in model.layers if isinstance(one, keras.layers.ReLU)}
        assert limits == {6.0}


def test_squeezenet_layers_have_our_names_and_no_batch_norm(detectors):
    model = detectors["squeezenet"]
    assert not [one for one in model.layers if isinstance(one, keras.layers.BatchNormalization)]
    convolutions = [one.name for one in model.layers if isinstance(one, keras.layers.Conv2D)]
    fires = [f"fire{n}_{part}" for n in range(2, 10) for part in ("squeeze", "expand_1x1", "expand_3x3")]
    assert sorted(convolutions) == sorted(["conv1", *fires, "output_bbox", "output_cov"])
    rows = {one.name: one.output.shape[1] for one in model.layers}
    assert [rows[name] for name in ("conv1", "pool1", "pool4", "pool8", "fire9_concat")] == [32, 16, 8, 4, 4]


@pytest.mark.parametrize("arch", KINDS)
def test_heads_have_five_filters_a_class(arch, detectors):
    two = detector(arch, ("car", "plate"))
    features = two.get_layer("output_cov").input.shape[-1]
    assert count_parameters(two) - count_parameters(detectors[arch]) == (features + 1) * 5
    assert two.output_shape == [(None, 4, 4, 8), (None, 4, 4, 2)]
    assert two.name == {
        "resnet": "resnet10_nopool_bn_detectnet_v2",
        "vgg": "vgg16_nopool_bn_detectnet_v2",
        "squeezenet": "squeezenet_detectnet_v2",
    }.get(arch, f"{arch}_bn_detectnet_v2")


def symmetric(given, kernel, stride):
    """A convolution by its definition: (k - 1) / 2 zeros on all four sides; (rows, columns, in)."""
    size = kernel.shape[0]
    zeros = size // 2
    rows, columns = (-(-side // stride) for side in given.shape[:2])
    padded = np.pad(given, ((zeros, zeros), (zeros, zeros), (0, 0)))
    made = np.zeros((rows, columns, kernel.shape[-1]))
    for row in range(rows):
        for column in range(columns):
            top, left = row * stride, column * stride
            window = padded[top : top + size, left : left + size]
            made[row, column] = np.einsum("abi,abio->o", window, kernel)
    return made


@pytest.mark.parametrize("size", [3, 7])
@pytest.mark.parametrize("stride", [1, 2])
def test_convolutions_pad_both_sides_alike_unlike_tensorflow(size, stride):
    random = np.random.default_rng(size)
    given, kernel = random.normal(size=(8, 12, 2)), random.normal(size=(size, size, 2, 3))
    inputs = keras.Input((8, 12, 2))
    model = keras.Model(
        inputs, convolve(inputs, Template(), "c", 3, kernel=size, block=0, stride=stride, bias=False)
    )
    model.set_weights([kernel])
    made = np.asarray(model(given[None]))[0]
    np.testing.assert_allclose(made, symmetric(given, kernel, stride), atol=1e-4)
    stock = keras.layers.Conv2D(3, size, strides=stride, padding="same", use_bias=False)
    stock.build((None, 8, 12, 2))
    stock.set_weights([kernel])
    assert np.allclose(np.asarray(stock(given[None]))[0], made, atol=1e-4) == (stride == 1)


def test_an_impulse_moves_by_one_pixel_under_tensorflows_padding():
    """A 3x3 kernel that copies its centre samples even pixels here, odd ones with stock "same"."""
    given = np.zeros((1, 8, 8, 1), np.float32)
    given[0, 4, 2] = 1
    kernel = np.zeros((3, 3, 1, 1))
    kernel[1, 1] = 1
    inputs = keras.Input((8, 8, 1))
    model = keras.Model(inputs, convolve(inputs, Template(), "c", 1, kernel=3, block=0, stride=2, bias=False))
    model.set_weights([kernel])
    assert np.argwhere(np.asarray(model(given))).tolist() == [[0, 2, 1, 0]]
    stock = keras.layers.Conv2D(1, 3, strides=2, padding="same", use_bias=False)
    stock.build((None, 8, 8, 1))
    stock.set_weights([kernel])
    assert not np.asarray(stock(given)).any()


@pytest.mark.parametrize("stride", [1, 2])
def test_mobilenets_depthwise_convolutions_pad_both_sides_alike(stride):
    # conv_dw_1 has stride 1, conv_dw_2 stride 2
    model = randomize(trunk("mobilenet_v1", size=(32, 32)))
    name = f"conv_dw_{stride}"
    probe = keras.Model(model.input, [model.get_layer(f"{name}_pad").input, model.get_layer(name).output])
    given, made = (np.asarray(one)[0].astype(np.float64) for one in probe(pictures(32, 1)))
    kernel = model.get_layer(name).get_weights()[0]
    for channel in range(3):
        plane = np.pad(given[..., channel], 1)
        expected = correlate2d(plane, kernel[..., channel, 0], "valid")[::stride, ::stride]
        np.testing.assert_allclose(made[..., channel], expected, atol=1e-4)


def test_pools_pad_with_zeros_that_count():
    inputs = keras.Input((6, 6, 1))
    model = keras.Model(inputs, max_pool(inputs, Template(), "pool", 3))
    given = -np.arange(1.0, 37.0).reshape(1, 6, 6, 1)
    made = np.asarray(model(given))[0, ..., 0]
    padded = np.pad(given[0, ..., 0], 1)
    expected = [[padded[2 * r : 2 * r + 3, 2 * c : 2 * c + 3].max() for c in range(3)] for r in range(3)]
    np.testing.assert_array_equal(made, expected)
    assert made[0].tolist() == [0, 0, 0] and made[1, 1] == -8  # -inf would give -1 at the corner


def test_depthwise_convolutions_have_no_padding_of_their_own():
    inputs = keras.Input((8, 8, 2))
    assert convolve_depthwise(inputs, Template(), "d", block=0, stride=1).shape == (None, 6, 6, 2)


FROZEN = {
    "resnet": ([0, 2], {"conv1", "block_2a_conv_1", "block_2a_conv_2", "block_2a_conv_shortcut"}),
    "vgg": ([2], {"block_2a_conv_1", "block_2b_conv_1"}),
    "mobilenet_v1": ([0, 11], {"conv1", "conv_dw_11", "conv_pw_11"}),
    "mobilenet_v2": (
        [0, 12],
        {
            *("Conv1", "expanded_conv_depthwise", "expanded_conv_project"),
            *("block_12_expand", "block_12_depthwise", "block_12_project"),
        },
    ),
    "squeezenet": ([1, 9], {"conv1", "fire9_squeeze", "fire9_expand_1x1", "fire9_expand_3x3"}),
}


@pytest.mark.parametrize("arch", KINDS)
def test_frozen_blocks_train_their_batch_norm_only(arch):
    blocks, names = FROZEN[arch]
    model = detector(arch, freeze_blocks=[float(one) for one in blocks])
    trained = {one.path for one in model.trainable_variables}
    still = {one.path for one in model.variables} - trained
    fixed = {path for path in still if not path.endswith(("moving_mean", "moving_variance"))}
    parts = ("kernel",) if "mobilenet" in arch else ("kernel", "bias")
    assert fixed == {f"{name}/{one}" for name in names for one in parts}
    before = {one.path: one.numpy() for one in model.variables if "moving_mean" in one.path}
    model(pictures(), training=True)
    moved = [
        one.path for one in model.variables if one.path in before and (one != before[one.path]).numpy().any()
    ]
    assert len(moved) == len(before)


def test_squeezenets_first_convolution_has_two_numbers():
    for block in (0.0, 1.0):
        model = detector("squeezenet", freeze_blocks=[block])
        assert [one.name for one in model.layers if one.weights and not one.trainable] == ["conv1"]


@pytest.mark.parametrize(
    ("arch", "last"), [(arch, family.freezable[-1]) for arch, family in BACKBONES.items()]
)
def test_blocks_that_a_family_has_not_are_refused(arch, last):
    with pytest.raises(UserError, match=f"freeze_blocks is .*to {last} for {arch}"):
        detector(arch, freeze_blocks=[last + 1.0])


def test_vgg_has_no_block_zero():
    with pytest.raises(UserError, match="from 1 to 5 for vgg"):
        detector("vgg", freeze_blocks=[0.0])


@pytest.mark.parametrize("policy", ["float32", MIXED])
@pytest.mark.parametrize("way", ["built", "keras", "hdf5"])
def test_frozen_statistics_stay_and_gamma_and_beta_train(policy, way, tmp_path):
    model = randomize(detector("mobilenet_v2", freeze_bn=True, policy=policy))
    if way == "keras":
        save_model(model, tmp_path / "model.keras")
        model = load_model(tmp_path / "model.keras", policy)
    if way == "hdf5":
        write_hdf5(model, tmp_path / "model.hdf5")
        model = load_model(tmp_path / "model.hdf5", policy)
    statistics = [one for one in model.non_trainable_variables if "moving" in one.path]
    before = [one.numpy() for one in statistics]
    trained = [np.asarray(one) for one in model(pictures(), training=True)]
    for one, other in zip(trained, outputs(model, pictures())):
        np.testing.assert_array_equal(one, other)
    assert len(before) == 2 * (1 + 2 + 12 * 3)
    for one, old in zip(statistics, before):
        np.testing.assert_array_equal(one.numpy(), old)
    paths = {one.path for one in model.trainable_variables}
    assert {"block_3_expand_BN/gamma", "bn_Conv1/beta"} <= paths


def test_operations_and_penalty_count_depthwise_kernels():
    model = randomize(detector("mobilenet_v1", size=32))
    total, rows, before = 2 * 16**2 * 3 * 3 * 3 * 32, 16, 32
    for filters, stride in [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5]:
        rows //= stride
        total += 2 * rows**2 * (9 * before + before * filters)
        before = filters
    assert flops(model) == total + 2 * 2**2 * 512 * 5
    kernels = [one.numpy() for one in model.variables if one.path.endswith("/kernel")]
    biases = [one.numpy() for one in model.variables if one.path.endswith("/bias")]
    assert (len(kernels), len(biases)) == (1 + 2 * 11 + 2, 2)
    expected = 1e-4 * sum(np.square(one, dtype=np.float64).sum() for one in [*kernels, *biases])
    assert float(regularization_loss(model, "L2", 1e-4)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("arch", KINDS)
def test_kernels_depend_on_the_seed_and_their_names_only(arch, detectors):
    again = detector(arch)
    for one, two in zip(detectors[arch].get_weights(), again.get_weights()):
        np.testing.assert_array_equal(one, two)
    kernels = [one.numpy() for one in again.variables if one.path.endswith("/kernel")]
    assert len({kernel.tobytes() for kernel in kernels}) == len(kernels)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"arch": "vgg"}, "no VGG with 18 layers.*16, 19"),
        ({"arch": "vgg", "num_layers": 16, "width_multiplier": 0.5}, "vgg has no other width"),
        ({"arch": "mobilenet_v3"}, "no back-bone 'mobilenet_v3'.*Did you mean 'mobilenet_v2'"),
        ({"arch": "darknet"}, "Allowed: resnet, vgg, mobilenet_v1, mobilenet_v2, squeezenet"),
    ],
)
def test_what_a_family_has_not_is_refused(fields, words):
    with pytest.raises(UserError, match=words):
        build_model(config(**fields), ("plate",), 64, 64)


def test_projections_mean_nothing_outside_resnets():
    plain, asked = (detector("mobilenet_v2", all_projections=projections) for projections in (False, True))
    assert [one.name for one in plain.layers] == [one.name for one in asked.layers]


def test_mixed_precision_reaches_every_layer_but_the_heads():
    for arch in KINDS:
        model = detector(arch, policy=MIXED)
        kinds = {
            one.compute_dtype
            for one in model.layers
            if one.name not in ("output_bbox", "output_cov", "input_1")
        }
        assert kinds == {"bfloat16"}
        assert {one.dtype.name for one in model(pictures())} == {"float32"}
