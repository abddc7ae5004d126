"""TensorRT 8.0 to 11 behind one set of functions: every difference of its Python API is handled here.

No other module of the device touches TensorRT. Functions take the module ``tensorrt`` as ``trt``, and ask
whether a call exists instead of comparing version numbers.
"""

import re
from types import ModuleType
from typing import Any, Callable, List, Optional, Tuple

from device_error import DeviceError

SUPPORTED = (8, 11)
"""First and last major version."""
_INSTALL = (
    "TensorRT's Python bindings are missing; on a Jetson they come with JetPack 4.6: "
    "sudo apt-get install python3-libnvinfer, and do not run this in a virtual environment without them"
)


def find() -> Optional[ModuleType]:
    """The module ``tensorrt``, or None where its bindings are not installed.

    Raises:
        DeviceError: it is installed and cannot be loaded, or of a version that this script does not know.
    """
    try:
        import tensorrt
    except ImportError as error:
        if getattr(error, "name", None) == "tensorrt":
            return None
        raise DeviceError(
            "TensorRT cannot be loaded: {}".format(error), "Install JetPack's TensorRT again."
        ) from error
    check_version(tensorrt.__version__)
    return tensorrt


def load() -> ModuleType:
    """As ``find``; a DeviceError where the bindings are not installed."""
    found = find()
    if found is None:
        raise DeviceError("there is no module tensorrt for python3", _INSTALL + ".")
    return found


def check_version(version: str) -> None:
    """Raise DeviceError for a version below 8.0 or above 11."""
    numbers = re.match(r"(\d+)\.", version)
    if not numbers or not SUPPORTED[0] <= int(numbers.group(1)) <= SUPPORTED[1]:
        raise DeviceError(
            "TensorRT {} is not supported".format(version),
            "Allowed: 8.0 to 11; a Jetson Nano has it with JetPack 4.6 (8.0) or 4.6.1 and later (8.2).",
        )


def strongly_typed(trt: ModuleType) -> bool:
    """Whether the types of the ONNX file decide: then FP16 needs a file of FP16 weights."""
    return not hasattr(trt.BuilderFlag, "FP16")


def make_logger(trt: ModuleType, say: Callable[[str], None]) -> Tuple[Any, List[str]]:
    """A logger that says what TensorRT reports, and the list of its warnings and errors."""
    messages = []

    class Logger(trt.ILogger):
        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, severity: Any, message: str) -> None:
            if int(severity) <= int(trt.ILogger.Severity.WARNING):
                messages.append("{}: {}".format(severity.name, message))
            if int(severity) <= int(trt.ILogger.Severity.INFO):
                say("TensorRT: {}".format(message))

    return Logger(), messages


def build(
    trt: ModuleType, model: bytes, fp16: bool, workspace: int, batch: int, cache: bytes, say: Callable
) -> dict:
    """Parse an ONNX file and build an engine of it.

    Args:
        trt: the module.
        model: the content of the file; of FP16 weights where ``strongly_typed`` and ``fp16``.
        fp16: allow FP16 kernels; inputs and outputs stay float32.
        workspace: bytes that a kernel may use.
        batch: of a file whose batch is not fixed.
        cache: timing cache of an earlier build; empty for none.
        say: takes lines of progress.

    Returns:
        ``engine`` and ``cache`` (bytes), ``layers`` of the parsed network, ``log`` (warnings).

    Raises:
        DeviceError: the parser or the builder refuses the network; its messages are in it.
    """
    logger, messages = make_logger(trt, say)
    builder = trt.Builder(logger)
    network = builder.create_network(_network_flags(trt))
    _parse(trt, network, logger, model)
    config = builder.create_builder_config()
    _set_workspace(trt, config, workspace)
    _set_precision(trt, builder, config, fp16)
    _set_batch(builder, network, config, batch)
    # A cache of another device or version is ignored by TensorRT, with a warning.
    timings = config.create_timing_cache(cache)
    config.set_timing_cache(timings, False)
    serialized = builder.build_serialized_network(network, config)
    if serialized is None:
        raise _not_built(messages)
    kept = config.get_timing_cache()
    return {
        "engine": bytes(serialized),
        "cache": bytes(kept.serialize()) if kept else b"",
        "layers": network.num_layers,
        "log": messages,
    }


def _network_flags(trt: ModuleType) -> int:
    """Explicit batch where it must be asked for; the types of the file where nothing else is left."""
    flags = trt.NetworkDefinitionCreationFlag
    for name in ("EXPLICIT_BATCH", "STRONGLY_TYPED"):
        if hasattr(flags, name):
            return 1 << int(getattr(flags, name))
    return 0


def _parse(trt: ModuleType, network: Any, logger: Any, model: bytes) -> None:
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(model):
        errors = [str(parser.get_error(index)) for index in range(parser.num_errors)]
        raise DeviceError(
            "TensorRT's ONNX parser refuses the model",
            "Export it with an opset that this version takes (13 for TensorRT 8.2); look at the operator.",
            tuple(errors),
        )


def _set_workspace(trt: ModuleType, config: Any, workspace: int) -> None:
    if hasattr(config, "set_memory_pool_limit"):
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, workspace)
    else:
        config.max_workspace_size = workspace


def _set_precision(trt: ModuleType, builder: Any, config: Any, fp16: bool) -> None:
    if not fp16 or strongly_typed(trt):
        return
    if not builder.platform_has_fast_fp16:
        raise DeviceError("this GPU has no fast FP16", "Set the precision to fp32.")
    config.set_flag(trt.BuilderFlag.FP16)


def _set_batch(builder: Any, network: Any, config: Any, batch: int) -> None:
    """A file whose batch is open needs to be told what it will be."""
    profile = None
    for index in range(network.num_inputs):
        tensor = network.get_input(index)
        shape = tuple(tensor.shape)
        if -1 in shape:
            fixed = (batch, *shape[1:])
            profile = profile or builder.create_optimization_profile()
            profile.set_shape(tensor.name, fixed, fixed, fixed)
    if profile is not None:
        config.add_optimization_profile(profile)


def _not_built(messages: List[str]) -> DeviceError:
    text = " ".join(messages).lower()
    if "memory" in text or "alloc" in text:
        return DeviceError(
            "the device ran out of memory while building the engine",
            "Close the desktop (sudo init 3), lower workspace_mb, or add swap; then give the command again.",
            tuple(messages),
        )
    return DeviceError(
        "TensorRT cannot build an engine of the model", "Its messages say why.", tuple(messages)
    )


class Engine:
    """A built engine, ready to run.

    Attributes:
        tensors: (name, is input, shape with the batch, is float32) in the order of the bindings.
        memory: bytes that it needs on the GPU besides weights, inputs and outputs; None where it is not said.
    """

    def __init__(self, trt: ModuleType, content: bytes, batch: int, say: Callable[[str], None]) -> None:
        """Load it.

        Raises:
            DeviceError: it was built with another TensorRT or for another GPU, or there is no memory for it.
        """
        self._logger, messages = make_logger(trt, say)
        self._runtime = trt.Runtime(self._logger)
        self._engine = self._runtime.deserialize_cuda_engine(content)
        if self._engine is None:
            raise DeviceError(
                "the engine cannot be loaded: it belongs to another TensorRT or GPU, or is damaged",
                "Remove build.json of this backend and build it again on this device.",
                tuple(messages),
            )
        self._context = self._engine.create_execution_context()
        if self._context is None:
            raise DeviceError(
                "there is no memory to run the engine",
                "Close the desktop (sudo init 3) and other programs.",
                tuple(messages),
            )
        self.tensors = self._tensors(trt, batch)
        self.memory = next(
            (getattr(self._engine, name) for name in _MEMORY_SIZES if hasattr(self._engine, name)), None
        )

    def _tensors(self, trt: ModuleType, batch: int) -> List[tuple]:
        found = []
        for index, (name, is_input, shape, kind) in enumerate(_tensors_of(trt, self._engine)):
            if -1 in shape:
                shape = (batch, *shape[1:])
                if is_input:
                    self._set_shape(index, name, shape)
            found.append((name, is_input, shape, kind == trt.DataType.FLOAT))
        return found

    def _set_shape(self, index: int, name: str, shape: tuple) -> None:
        if hasattr(self._context, "set_input_shape"):
            self._context.set_input_shape(name, shape)
        else:
            self._context.set_binding_shape(index, shape)

    def execute(self, addresses: List[int]) -> None:
        """Run it once, and wait: addresses on the GPU in the order of ``tensors``."""
        if not self._context.execute_v2(addresses):
            raise DeviceError("the engine failed while running", "Its log says why; start the device anew.")


_MEMORY_SIZES = ("device_memory_size_v2", "device_memory_size")


def _tensors_of(trt: ModuleType, engine: Any) -> List[tuple]:
    """(name, is input, shape, data type) of every tensor."""
    if hasattr(engine, "num_io_tensors"):
        names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
        return [
            (
                name,
                engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT,
                tuple(engine.get_tensor_shape(name)),
                engine.get_tensor_dtype(name),
            )
            for name in names
        ]
    return [
        (
            engine.get_binding_name(index),
            engine.binding_is_input(index),
            tuple(engine.get_binding_shape(index)),
            engine.get_binding_dtype(index),
        )
        for index in range(engine.num_bindings)
    ]
