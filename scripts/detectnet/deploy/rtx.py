"""Backend ``rtx``: NVIDIA's TensorRT-RTX, whose parser and builder work ahead of time, without a GPU.

Its engine runs on RTX cards of one compute capability. Without such a card, the verdict of NVIDIA's own
parser and builder on the exported file is worth having; the Jetson Nano's engine is built on the Nano.
The libraries are NVIDIA's, proprietary, for Linux x86_64, and come with the extra ``rtx``.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import time
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from detectnet.contract import DYNAMIC
from detectnet.errors import UserError
from detectnet.files import PathLike, atomic_path, sha256, write_json
from detectnet.logs import log

HOW_TO_INSTALL = "TensorRT-RTX is missing; start the same command with: uv run --frozen --extra rtx"
PRECISIONS = ("fp16", "fp32")
_LIBRARY_PACKAGE = "onnxruntime_ep_nv_tensorrt_rtx"
_BINDINGS_PACKAGE = "tensorrt_rtx_bindings"
_LIBRARIES = ("libcudart.so", "libtensorrt_rtx.so", "libtensorrt_onnxparser_rtx.so")
"""In the order of their dependence; the bindings find them in the process."""


@dataclass(frozen=True)
class RtxSettings:
    """What an engine is built for.

    Attributes:
        precision: ``fp16`` or ``fp32``; inputs and outputs are float32 in both.
        compute_capabilities: TensorRT's names of the card families that one engine is for: SM75 (Turing) ..
            SM120 (Blackwell).
    """

    precision: str = "fp16"
    compute_capabilities: tuple[str, ...] = ("SM86",)


def available() -> bool:
    """Whether the extra ``rtx`` is installed."""
    return all(importlib.util.find_spec(name) for name in (_LIBRARY_PACKAGE, _BINDINGS_PACKAGE))


def build(onnx_path: PathLike, out_dir: PathLike, settings: RtxSettings | None = None) -> dict[str, Any]:
    """Build an engine and write it and ``build.json`` into ``out_dir``.

    The engine's name holds what it depends on: model and hash, TensorRT's version, card, precision, batch.

    Returns:
        The content of ``build.json``: ``engine`` (file name beside it), ``sha256``, ``bytes``, ``model``,
        ``model_sha256``, ``backend``, ``tensorrt``, ``precision``, ``compute_capabilities``, ``batch``,
        ``seconds``, ``layers`` (of the parsed network), ``log`` (parser's and builder's warnings).

    Raises:
        UserError: the extra is missing, a setting is unknown, or the parser or builder refuses the model;
            then every one of its messages is shown.
    """
    # The workflow asks this module what is available before every job; that must not load ONNX.
    import onnx

    from detectnet.deploy.float16 import to_float16

    settings = settings or RtxSettings()
    path, out = Path(onnx_path), Path(out_dir)
    trt = _tensorrt()
    capabilities = _checked(trt, settings)
    proto = onnx.load(path)
    # A file of any batch is built for what a camera gives: one picture at a time.
    batch = proto.graph.input[0].type.tensor_type.shape.dim[0].dim_value or 1
    content = to_float16(proto) if settings.precision == "fp16" else proto
    messages, layers, engine, seconds = _build(trt, content.SerializeToString(), capabilities, path)
    model_hash = sha256(path)
    cards = "-".join(settings.compute_capabilities).lower()
    key = [model_hash[:12], f"rtx{trt.__version__}", cards, settings.precision]
    name = f"{path.stem}_{'_'.join(key)}_b{batch}.engine"
    with atomic_path(out / name) as temporary:
        temporary.write_bytes(engine)
    built = {
        "backend": "rtx",
        "engine": name,
        "sha256": sha256(out / name),
        "bytes": len(engine),
        "model": path.name,
        "model_sha256": model_hash,
        "tensorrt": trt.__version__,
        "precision": settings.precision,
        "compute_capabilities": list(settings.compute_capabilities),
        "batch": batch,
        "seconds": round(seconds, 3),
        "layers": layers,
        "log": messages,
    }
    write_json(out / "build.json", built)
    log.info("built %s (%.1f MB) in %.1f s", out / name, len(engine) / 1e6, seconds)
    return built


@functools.cache
def _tensorrt() -> ModuleType:
    """The bindings, after loading the libraries they need into the process."""
    if not available():
        raise UserError(HOW_TO_INSTALL)
    (folder,) = importlib.util.find_spec(_LIBRARY_PACKAGE).submodule_search_locations
    for name in _LIBRARIES:
        found = sorted(Path(folder).glob(f"{name}*"))
        if not found:
            raise UserError(f"{name} is missing", where=folder, remedy="Install the extra 'rtx' again.")
        ctypes.CDLL(str(found[0]), mode=ctypes.RTLD_GLOBAL)
    return importlib.import_module(_BINDINGS_PACKAGE)


def _checked(trt: ModuleType, settings: RtxSettings) -> list[Any]:
    if settings.precision not in PRECISIONS:
        raise UserError(f"unknown precision '{settings.precision}'", allowed=PRECISIONS)
    known = {
        name: value for name, value in trt.ComputeCapability.__members__.items() if name.startswith("SM")
    }
    if not settings.compute_capabilities:
        raise UserError("no compute capability is given", allowed=sorted(known))
    for name in settings.compute_capabilities:
        if name not in known:
            raise UserError(f"unknown compute capability '{name}'", allowed=sorted(known))
    return [known[name] for name in settings.compute_capabilities]


def _build(
    trt: ModuleType, model: bytes, capabilities: list[Any], where: Path
) -> tuple[list[str], int, bytes, float]:
    """(warnings, layers of the network, engine, seconds)."""
    logger, messages = _logger(trt)
    builder = trt.Builder(logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger)
    started = time.monotonic()
    if not parser.parse(model):
        refused = [str(parser.get_error(index)) for index in range(parser.num_errors)]
        raise _refusal("TensorRT's ONNX parser refuses the model", refused or messages, where)
    config = builder.create_builder_config()
    config.num_compute_capabilities = len(capabilities)
    for place, capability in enumerate(capabilities):
        config.set_compute_capability(capability, place)
    _set_batch(builder, network, config)
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise _refusal("TensorRT cannot build an engine of the model", messages, where)
    return messages, network.num_layers, bytes(engine), time.monotonic() - started


def _set_batch(builder: Any, network: Any, config: Any) -> None:
    """A file of any batch needs to be told what it will be: 1."""
    profile = builder.create_optimization_profile()
    for index in range(network.num_inputs):
        tensor = network.get_input(index)
        if DYNAMIC in tensor.shape:
            one = (1, *tuple(tensor.shape)[1:])
            profile.set_shape(tensor.name, one, one, one)
            config.add_optimization_profile(profile)


def _logger(trt: ModuleType) -> tuple[Any, list[str]]:
    """A TensorRT logger, and the list that it puts warnings and errors into."""
    messages: list[str] = []

    class Logger(trt.ILogger):
        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, severity: Any, message: str) -> None:
            if int(severity) <= int(trt.ILogger.Severity.WARNING):
                messages.append(f"{severity.name}: {message}")
                log.warning("TensorRT: %s", message)
            else:
                log.debug("TensorRT: %s", message)

    return Logger(), messages


def _refusal(what: str, messages: list[str], where: Path) -> UserError:
    listed = "".join(f"\n  {message}" for message in messages) or " (it gave no reason)"
    return UserError(f"{what}:{listed}", where=where)
