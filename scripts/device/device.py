"""What the host starts on the device, in the folder of the bundle: python3 device.py probe|build|measure.

Lines of progress go to the output as they are; the last one is ``ANSWER`` or ``REFUSED`` and JSON. Needs
Python 3.6 and numpy, TensorRT 8.0 to 11, and for ``measure`` its Python bindings and pycuda.
"""

import argparse
import errno
import json
import os
import signal
import sys
from pathlib import Path

from device_error import DeviceError


def main() -> int:
    """Do what is asked for; 0, or 3 for a DeviceError."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=["probe", "build", "measure"])
    parser.add_argument("job", nargs="?", type=Path, help="JSON: what to build or measure")
    arguments = parser.parse_args()
    # A build goes on when the connection is lost; the next command finds what it made.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        say("ANSWER " + json.dumps(_act(arguments.action, arguments.job), sort_keys=True))
    except DeviceError as refusal:
        say("REFUSED " + json.dumps(refusal.to_json(), sort_keys=True))
        return 3
    return 0


def say(line: str) -> None:
    """Print a line at once; nobody may be listening any more."""
    try:
        print(line, flush=True)
    except OSError:
        # Python would complain once more when it closes the lost output at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _act(action: str, job: Path) -> dict:
    try:
        if action == "probe":
            from build import probe

            return probe()
        content = json.loads(job.read_text())
        if action == "build":
            from build import build

            return build(content, say)
        from measure import measure

        return measure(content, say)
    except ImportError as error:
        raise DeviceError(
            "the module {} is missing for python3".format(error.name),
            "On a Jetson: sudo apt-get install python3-numpy.",
        ) from error
    except MemoryError:
        raise DeviceError(
            "the device ran out of memory", "Close the desktop (sudo init 3), or add swap."
        ) from None
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise DeviceError(
            "the device's disk is full", "Make room there, then give the command again."
        ) from error


if __name__ == "__main__":
    sys.exit(main())
