"""Memory of the GPU, through pycuda."""

from types import TracebackType
from typing import Any, List, Optional, Tuple, Type

import numpy as np

from device_error import DeviceError

_INSTALL = (
    "On a Jetson: sudo apt-get install python3-pip python3-dev, then "
    "PATH=/usr/local/cuda/bin:$PATH pip3 install --user pycuda (it is compiled there, which takes minutes)."
)


def find() -> Optional[Any]:
    """pycuda's module ``driver``; None where it is not installed."""
    try:
        from pycuda import driver
    except ImportError as error:
        if (getattr(error, "name", None) or "").split(".")[0] == "pycuda":
            return None
        raise DeviceError("pycuda cannot be loaded: {}".format(error), _INSTALL) from error
    return driver


class Buffers:
    """A CUDA context, and for every tensor an array here and memory on the GPU.

    Attributes:
        hosts: page-locked float32 arrays, to be filled and read.
        addresses: of the memory on the GPU, in the same order.
    """

    def __init__(self) -> None:
        """Take the first GPU.

        Raises:
            DeviceError: pycuda is missing, or there is no GPU.
        """
        self._driver = find()
        if self._driver is None:
            raise DeviceError("there is no module pycuda for python3", _INSTALL)
        try:
            self._driver.init()
            self._context = self._driver.Device(0).make_context()
        except self._driver.Error as error:
            raise DeviceError(
                "there is no usable GPU: {}".format(error), "Look at the device's driver."
            ) from error
        self.hosts = []  # type: List[np.ndarray]
        self._devices = []  # type: List[Any]

    def __enter__(self) -> "Buffers":
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: TracebackType
    ) -> None:
        # Memory belongs to the context: it must go first.
        self._devices, self.hosts = [], []
        self._context.pop()

    @property
    def addresses(self) -> List[int]:
        """See the class."""
        return [int(one) for one in self._devices]

    def add(self, shape: Tuple[int, ...]) -> None:
        """Memory for one more float32 tensor."""
        try:
            self.hosts.append(self._driver.pagelocked_empty(shape, np.float32))
            self._devices.append(self._driver.mem_alloc(self.hosts[-1].nbytes))
        except self._driver.MemoryError as error:
            raise DeviceError(
                "the GPU has no memory left for inputs and outputs: {}".format(error),
                "Close the desktop (sudo init 3) and other programs.",
            ) from error

    def send(self, index: int) -> None:
        """Copy an array to the GPU, and wait."""
        self._driver.memcpy_htod(self._devices[index], self.hosts[index])

    def fetch(self, index: int) -> None:
        """Copy a tensor from the GPU into its array, and wait."""
        self._driver.memcpy_dtoh(self.hosts[index], self._devices[index])

    def used(self) -> int:
        """Bytes of the GPU's memory in use by everybody; on a Jetson that is the board's memory."""
        free, total = self._driver.mem_get_info()
        return total - free
