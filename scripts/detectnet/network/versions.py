"""The versions of what computed a model, for its provenance."""

from __future__ import annotations

import platform

import h5py
import keras
import numpy as np
import tensorflow as tf


def versions() -> dict[str, str]:
    """Version of Python and of each library that can change a model's numbers or file."""
    return {
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
        "h5py": h5py.__version__,
    }
