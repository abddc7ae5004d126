"""A double of TensorRT, not TensorRT: it has the calls that ``tensorrt_calls.yaml`` gives its version.

Its engines are the ONNX file, and ONNX Runtime computes them. What it shows is that the device's script walks
the whole path with the calls of each version; what TensorRT makes of a network it cannot show.

``TENSORRT_DOUBLE_VERSION`` chooses the version, ``TENSORRT_DOUBLE_CALLS`` names a file that every call is
appended to, and ``TENSORRT_DOUBLE_BUILD=none|memory|killed|slow`` lets a build fail, run out of memory, be
killed or take two seconds.
"""

import enum
import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import yaml
from pycuda import driver

IS_A_DOUBLE = True
__version__ = os.environ.get("TENSORRT_DOUBLE_VERSION", "8.2.1.8")
TABLE = yaml.safe_load(Path(__file__).with_name("tensorrt_calls.yaml").read_text())
_VERSION = tuple(int(part) for part in __version__.split(".")[:2])
_MARK = b"engine of the TensorRT double\n"


def has(kind, name):
    """Whether this version has the attribute; KeyError where the table does not know it."""
    since, until = (tuple(map(int, one.split("."))) for one in TABLE["calls"][kind][name])
    # From version 10 on the table tells major versions apart only.
    return since <= _VERSION and (until >= _VERSION or _VERSION[0] == until[0] > 8)


def _record(call):
    if "TENSORRT_DOUBLE_CALLS" in os.environ:
        with Path(os.environ["TENSORRT_DOUBLE_CALLS"]).open("a") as handle:
            handle.write(call + "\n")


class _Limited:
    """Attributes that the version lacks raise AttributeError, read or written; others are recorded."""

    def __getattribute__(self, name):
        if not name.startswith("_"):
            _check(type(self), name)
        return object.__getattribute__(self, name)

    def __setattr__(self, name, value):
        if not name.startswith("_"):
            _check(type(self), name)
        object.__setattr__(self, name, value)


def _check(kind, name):
    if name not in TABLE["calls"][kind.__name__] or not has(kind.__name__, name):
        raise AttributeError(f"the double of TensorRT {__version__} has no {kind.__name__}.{name}")
    _record(f"{kind.__name__}.{name}")


def _enum(kind, **values):
    return enum.IntEnum(kind, {name: value for name, value in values.items() if has(kind, name)})


NetworkDefinitionCreationFlag = _enum("NetworkDefinitionCreationFlag", EXPLICIT_BATCH=0, STRONGLY_TYPED=1)
BuilderFlag = _enum("BuilderFlag", FP16=0)
DataType = _enum("DataType", FLOAT=0)
MemoryPoolType = _enum("MemoryPoolType", WORKSPACE=0)
TensorIOMode = _enum("TensorIOMode", INPUT=1, OUTPUT=2)


class ILogger:
    Severity = enum.IntEnum(
        "Severity", {"INTERNAL_ERROR": 0, "ERROR": 1, "WARNING": 2, "INFO": 3, "VERBOSE": 4}
    )


class IHostMemory(bytes):
    pass


class ITimingCache(_Limited):
    def __init__(self, content):
        self._content = content or b"timings"

    def serialize(self):
        return IHostMemory(self._content)


class ITensor(_Limited):
    def __init__(self, value):
        dimensions = value.type.tensor_type.shape.dim
        self.name = value.name
        self.shape = tuple(one.dim_value if one.HasField("dim_value") else -1 for one in dimensions)


class INetworkDefinition(_Limited):
    def __init__(self):
        self._model = None

    @property
    def num_inputs(self):
        return len(self._model.graph.input)

    @property
    def num_layers(self):
        return len(self._model.graph.node)

    def get_input(self, index):
        return ITensor(self._model.graph.input[index])


class OnnxParser(_Limited):
    def __init__(self, network, logger):
        self._network, self._errors = network, []

    def parse(self, content):
        self._network._model = onnx.load_from_string(content)
        try:
            onnx.checker.check_model(self._network._model)
        except onnx.checker.ValidationError as error:
            self._errors = [str(error).splitlines()[0]]
        return not self._errors

    @property
    def num_errors(self):
        return len(self._errors)

    def get_error(self, index):
        return self._errors[index]


class IOptimizationProfile(_Limited):
    def set_shape(self, name, least, best, most):
        self._batch = best[0]


class IBuilderConfig(_Limited):
    def __init__(self):
        self._cache, self._flags, self._workspace, self._profiles = None, [], 0, []

    def set_memory_pool_limit(self, pool, size):
        assert pool == MemoryPoolType.WORKSPACE
        self._workspace = size

    @property
    def max_workspace_size(self):
        return self._workspace

    @max_workspace_size.setter
    def max_workspace_size(self, size):
        self._workspace = size

    def set_flag(self, flag):
        self._flags.append(flag.name)

    def add_optimization_profile(self, profile):
        self._profiles.append(profile)

    def create_timing_cache(self, content):
        return ITimingCache(content)

    def set_timing_cache(self, cache, ignore_mismatch):
        self._cache = cache

    def get_timing_cache(self):
        return self._cache


class Builder(_Limited):
    def __init__(self, logger):
        self._logger = logger
        logger.log(ILogger.Severity.WARNING, "this is a double of TensorRT, not TensorRT")

    platform_has_fast_fp16 = True

    def create_network(self, flags):
        explicit = [1 << flag for flag in NetworkDefinitionCreationFlag if flag.name == "EXPLICIT_BATCH"]
        assert not explicit or flags & explicit[0], "a network without explicit batch takes no ONNX"
        return INetworkDefinition()

    def create_builder_config(self):
        return IBuilderConfig()

    def create_optimization_profile(self):
        return IOptimizationProfile()

    def build_serialized_network(self, network, config):
        how = os.environ.get("TENSORRT_DOUBLE_BUILD")
        if how == "none":
            self._logger.log(ILogger.Severity.ERROR, "Could not find any implementation for node conv1.")
            return None
        if how == "memory":
            self._logger.log(ILogger.Severity.ERROR, "Cuda Runtime (out of memory)")
            return None
        if how == "killed":
            sys.stdout.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        if how == "slow":
            time.sleep(2)
        assert config._workspace >= 1 << 24, "a workspace below 16 MB builds nothing of use"
        _record(f"flags {config._flags} workspace {config._workspace >> 20}")
        model = network._model
        if -1 in ITensor(model.graph.input[0]).shape:
            assert config._profiles, "a network with an open batch needs a profile"
        header = json.dumps({"version": __version__}).encode() + b"\n"
        return IHostMemory(_MARK + header + model.SerializeToString())


class Runtime(_Limited):
    def __init__(self, logger):
        self._logger = logger

    def deserialize_cuda_engine(self, content):
        mark, header, model = content.split(b"\n", 2)
        if mark + b"\n" != _MARK or json.loads(header)["version"] != __version__:
            self._logger.log(
                ILogger.Severity.ERROR, "The engine plan file is not compatible with this version"
            )
            return None
        return ICudaEngine(model)


class ICudaEngine(_Limited):
    device_memory_size = device_memory_size_v2 = 1 << 20

    def __init__(self, model):
        self._session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        # Outputs first: nothing promises that the input is the first tensor.
        self._tensors = [*outputs, *inputs]
        self._inputs = {one.name for one in inputs}

    def _shape(self, tensor):
        return tuple(one if isinstance(one, int) else -1 for one in tensor.shape)

    @property
    def num_bindings(self):
        return len(self._tensors)

    num_io_tensors = num_bindings

    def get_binding_name(self, index):
        return self._tensors[index].name

    get_tensor_name = get_binding_name

    def binding_is_input(self, index):
        return self._tensors[index].name in self._inputs

    def get_binding_shape(self, index):
        return self._shape(self._tensors[index])

    def get_binding_dtype(self, index):
        return DataType.FLOAT

    def get_tensor_mode(self, name):
        return TensorIOMode.INPUT if name in self._inputs else TensorIOMode.OUTPUT

    def get_tensor_shape(self, name):
        return next(self._shape(one) for one in self._tensors if one.name == name)

    def get_tensor_dtype(self, name):
        return DataType.FLOAT

    def create_execution_context(self):
        return IExecutionContext(self)


class IExecutionContext(_Limited):
    def __init__(self, engine):
        self._engine, self._shapes = engine, {}

    def set_binding_shape(self, index, shape):
        self._shapes[self._engine._tensors[index].name] = shape

    def set_input_shape(self, name, shape):
        self._shapes[name] = shape

    def execute_v2(self, addresses):
        tensors = self._engine._tensors
        assert len(addresses) == len(tensors)
        places = {one.name: driver.MEMORY[address] for one, address in zip(tensors, addresses, strict=True)}
        feeds = {}
        for one in tensors:
            if one.name in self._engine._inputs:
                shape = self._shapes.get(one.name, self._engine._shape(one))
                assert -1 not in shape, "the shape of an open input was not set"
                feeds[one.name] = places[one.name].view(np.float32).reshape(shape)
        names = [one.name for one in self._engine._session.get_outputs()]
        for name, value in zip(names, self._engine._session.run(names, feeds), strict=True):
            places[name][:] = np.ascontiguousarray(value).reshape(-1).view(np.uint8)
        return True


for _kind in ("MemoryPoolType", "TensorIOMode"):
    if not has("Module", _kind):
        del globals()[_kind]
