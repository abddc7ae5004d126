"""What the device is, and how it fares: clocks, power mode, temperatures, throttling, memory.

Everything is read from files of the system or asked of a tool that it has; what is not there is None.
"""

import platform
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, List, Optional

ROOT = Path("/")
_GPU_QUERY = "clocks.gr,clocks.max.gr,temperature.gpu,clocks_throttle_reasons.active,power.draw,memory.used"


def text_of(path: Path) -> Optional[str]:
    """Text of a system's file without its ends; None where it cannot be read."""
    try:
        return path.read_text(errors="replace").strip(" \n\0")
    except OSError:
        return None


def number_of(path: Path) -> Optional[int]:
    """The whole number in a system's file; None where there is none."""
    try:
        return int(text_of(path) or "")
    except ValueError:
        return None


def output_of(words: List[str]) -> Optional[str]:
    """What a tool prints; None where it is not installed, fails, or takes longer than 10 seconds."""
    if shutil.which(words[0]) is None:
        return None
    try:
        done = subprocess.run(
            words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, universal_newlines=True, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def name(root: Path = ROOT) -> str:
    """The device: the board's model on a Jetson, else the first GPU, else the processor's family."""
    model = text_of(root / "proc/device-tree/model")
    gpu = output_of(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"])
    return model or (gpu or "").split("\n")[0].strip() or platform.machine()


def slug(text: str) -> str:
    """A name as a part of a file's name: lower case, letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def release(root: Path = ROOT) -> Optional[str]:
    """L4T's release, such as ``R32.7.1`` of JetPack 4.6.1; None off a Jetson."""
    found = re.search(r"R(\d+) \(release\), REVISION: ([\d.]+)", text_of(root / "etc/nv_tegra_release") or "")
    return "R{}.{}".format(*found.groups()) if found else None


def state(root: Path = ROOT) -> dict:
    """How the device fares now.

    Returns:
        ``gpu_clock_hz``, ``gpu_clock_max_hz``, ``clocks_fixed`` (what jetson_clocks does: the GPU's lowest
        clock is its highest), ``power_mode`` (nvpmodel's name), ``temperatures`` (zone -> degrees Celsius),
        ``cooling`` (what throttles -> its state, 0 for not at all), ``throttled`` (whether something other
        than the fan does), ``memory_available_bytes``, ``nvidia_smi`` (of a GPU that is no Jetson's).
    """
    clocks = _gpu_clocks(root)
    cooling = _cooling(root)
    modes = re.findall(r"NV Power Mode: *(\S+)", output_of(["nvpmodel", "-q"]) or "")
    return {
        "gpu_clock_hz": clocks.get("cur_freq"),
        "gpu_clock_max_hz": clocks.get("max_freq"),
        "clocks_fixed": clocks["min_freq"] == clocks["max_freq"] if "min_freq" in clocks else None,
        "power_mode": modes[0] if modes else None,
        "temperatures": _temperatures(root),
        "cooling": cooling,
        "throttled": any(level for kind, level in cooling.items() if "fan" not in kind) if cooling else None,
        "memory_available_bytes": _available_memory(root),
        "nvidia_smi": _nvidia_smi(),
    }


def _gpu_clocks(root: Path) -> dict:
    for folder in sorted((root / "sys/class/devfreq").glob("*")):
        # 57000000.gpu on a Nano, 17000000.gp10b or .gv11b on its sisters.
        if re.search(r"\.(gpu|gp10b|gv11b|ga10b)$", folder.name):
            found = {key: number_of(folder / key) for key in ("cur_freq", "min_freq", "max_freq")}
            return {key: value for key, value in found.items() if value is not None}
    return {}


def _temperatures(root: Path) -> dict:
    zones = {}
    for folder in sorted((root / "sys/class/thermal").glob("thermal_zone*")):
        kind, thousandths = text_of(folder / "type"), number_of(folder / "temp")
        if kind and thousandths is not None:
            zones[kind] = thousandths / 1000
    return zones


def _cooling(root: Path) -> dict:
    found = {}
    for folder in sorted((root / "sys/class/thermal").glob("cooling_device*")):
        kind, level = text_of(folder / "type"), number_of(folder / "cur_state")
        if kind and level is not None:
            found[kind] = max(level, found.get(kind, 0))
    return found


def _available_memory(root: Path) -> Optional[int]:
    found = re.search(r"MemAvailable: *(\d+) kB", text_of(root / "proc/meminfo") or "")
    return 1024 * int(found.group(1)) if found else None


def _nvidia_smi() -> Optional[Any]:
    answer = output_of(["nvidia-smi", "--query-gpu=" + _GPU_QUERY, "--format=csv,noheader"])
    if not answer:
        return None
    values = [value.strip() for value in answer.split("\n")[0].split(",")]
    return dict(zip(_GPU_QUERY.split(","), values))
