"""Pruning once more, from its description: plain loops, and graphs written down by their naming rules."""

from typing import NamedTuple

import numpy as np

MERGES = {
    "union": max,
    "intersection": min,
    "arithmetic_mean": lambda values: sum(values) / len(values),
    "geometric_mean": lambda values: float(np.prod(values)) ** (1 / len(values)),
}
HEADS = ("output_bbox", "output_cov")


class Convolution(NamedTuple):
    """A convolution, its batch normalisation, and the convolutions that its input channels are from."""

    name: str
    norm: str
    sources: tuple[str, ...]
    depthwise: bool = False


class Plan(NamedTuple):
    """All convolutions of a back-bone, those that share their channels, and those before the heads."""

    convolutions: list[Convolution]
    groups: list[list[str]]
    last: tuple[str, ...]


def resnet(units, *, projections, bottleneck=False):
    made, groups, before = [Convolution("conv1", "bn_conv1", ())], [["conv1"]], "conv1"
    for block, count in enumerate(units, start=1):
        chain = []
        for unit in "abcdef"[:count]:
            prefix = f"block_{block}{unit}_"
            names = [f"{prefix}conv_{number}" for number in range(1, 4 if bottleneck else 3)]
            for name, source in zip(names, [before, *names]):
                made.append(Convolution(name, name.replace("conv", "bn"), (source,)))
            groups += [[name] for name in names[:-1]]
            ends = [names[-1]]
            if unit == "a" or projections:
                ends.append(f"{prefix}conv_shortcut")
                made.append(Convolution(ends[-1], f"{prefix}bn_shortcut", (before,)))
            if projections:
                groups.append(ends)
            else:
                chain += ends
            before = names[-1]
        groups += [chain] if chain else []
    return Plan(made, groups, (before,))


def vgg(units):
    names = [f"block_{block}{'abcd'[unit]}_" for block, count in enumerate(units, 1) for unit in range(count)]
    made = [
        Convolution(f"{name}conv_1", f"{name}bn_1", (f"{source}conv_1",) if source else ())
        for name, source in zip(names, ["", *names])
    ]
    return Plan(made, [[one.name] for one in made], (made[-1].name,))


def mobilenet_v1():
    made, groups, before = [Convolution("conv1", "conv1_bn", ())], [], "conv1"
    for block in range(1, 12):
        deep, point = f"conv_dw_{block}", f"conv_pw_{block}"
        made += [Convolution(deep, f"{deep}_bn", (before,), True), Convolution(point, f"{point}_bn", (deep,))]
        groups.append([before, deep])
        before = point
    return Plan(made, [*groups, [before]], (before,))


def mobilenet_v2():
    made = [Convolution("Conv1", "bn_Conv1", ())]
    made.append(Convolution("expanded_conv_depthwise", "expanded_conv_depthwise_BN", ("Conv1",), True))
    made.append(Convolution("expanded_conv_project", "expanded_conv_project_BN", (made[-1].name,)))
    groups = [["Conv1", "expanded_conv_depthwise"]]
    before = "expanded_conv_project"
    for block in range(1, 13):
        names = [f"block_{block}_{part}" for part in ("expand", "depthwise", "project")]
        for name, source in zip(names, [before, *names]):
            made.append(Convolution(name, f"{name}_BN", (source,), name.endswith("depthwise")))
        groups.append(names[:2])
        before = names[2]
    # Blocks of 16, 24, 32, 64 and 96 channels; inside each number of channels the outputs are added up.
    chains = ([1, 2], [3, 4, 5], [6, 7, 8, 9], [10, 11, 12])
    groups += [["expanded_conv_project"], *([f"block_{one}_project" for one in chain] for chain in chains)]
    return Plan(made, groups, (before,))


def squeezenet():
    made, before = [Convolution("conv1", "", ())], ("conv1",)
    for fire in range(2, 10):
        squeeze = f"fire{fire}_squeeze"
        expand = (f"fire{fire}_expand_1x1", f"fire{fire}_expand_3x3")
        made += [Convolution(squeeze, "", before), *(Convolution(one, "", (squeeze,)) for one in expand)]
        before = expand
    return Plan(made, [[one.name] for one in made], before)


def norms(kernel, depthwise):
    """The L2 norm of each filter."""
    count = kernel.shape[2] if depthwise else kernel.shape[3]
    filters = [kernel[:, :, one, :] if depthwise else kernel[:, :, :, one] for one in range(count)]
    return [float(np.linalg.norm(one.astype(float).ravel())) for one in filters]


def strongest(kernels, criterion, threshold):
    """The filters that a group keeps; ``kernels`` are pairs of a kernel and whether it is depthwise."""
    stats = []
    for kernel, depthwise in kernels:
        found = norms(kernel, depthwise)
        by_max = criterion.normalizer == "max"
        scale = max(found) if by_max else sum(one * one for one in found) ** 0.5 / len(found)
        stats.append([one / scale for one in found])
    merged = [MERGES[criterion.equalization](values) for values in zip(*stats)]
    total = len(merged)
    count = max(sum(value > threshold for value in merged), min(criterion.minimum, total))
    while count % criterion.granularity:
        count += 1
    return sorted(sorted(range(total), key=lambda one: -merged[one])[: min(count, total)])


def kept(model, plan, criterion, threshold):
    """layer -> its filters that stay."""
    shapes = {one.name: one for one in plan.convolutions}

    def kernel(name):
        return model.get_layer(name).get_weights()[0], shapes[name].depthwise

    found = {}
    for group in plan.groups:
        stay = strongest([kernel(name) for name in group], criterion, threshold)
        if set(group) & set(criterion.excluded):
            stay = range(len(norms(*kernel(group[0]))))
        found.update((name, list(stay)) for name in group)
    return found


def weights(model, plan, found):
    """layer -> its weights once only the filters ``found`` are left."""
    totals = {
        one.name: len(norms(model.get_layer(one.name).get_weights()[0], one.depthwise)) for one in plan[0]
    }
    made = {}
    for one in [*plan.convolutions, *(Convolution(name, "", plan.last) for name in HEADS)]:
        kernel, *bias = model.get_layer(one.name).get_weights()
        start, inputs = 0, []
        for source in one.sources:
            inputs += [start + channel for channel in found[source]]
            start += totals[source]
        inputs = inputs if one.sources else list(range(kernel.shape[2]))
        own = found.get(one.name, list(range(kernel.shape[3])))
        kernel = kernel[:, :, own] if one.depthwise else kernel[:, :, inputs][:, :, :, own]
        made[one.name] = [kernel, *(values[own] for values in bias)]
        if one.norm:
            made[one.norm] = [values[own] for values in model.get_layer(one.norm).get_weights()]
    return made


def mask(model, plan, found):
    """Zero all channels that pruning removes: kernel, bias, gamma and beta."""
    for one in (one for one in plan.convolutions if one.name in found):
        for name in filter(None, (one.name, one.norm)):
            values = model.get_layer(name).get_weights()
            total = values[0].shape[2] if values[0].ndim == 4 and one.depthwise else values[0].shape[-1]
            gone = [channel for channel in range(total) if channel not in found[one.name]]
            if values[0].ndim == 4 and one.depthwise:
                values[0][:, :, gone] = 0
            else:
                values[0][..., gone] = 0
            for vector in values[1:2]:
                vector[gone] = 0
            model.get_layer(name).set_weights(values)
    return model
