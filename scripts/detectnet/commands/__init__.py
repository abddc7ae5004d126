"""NVIDIA's commands, ``tlt-train`` or ``detectnet train`` and so on, on the functions of this library."""
