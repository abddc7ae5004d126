"""What stops the work on the device, as sentences for the user."""


class DeviceError(Exception):
    """What is wrong, and what to do about it.

    Args:
        what: one sentence without its full stop.
        remedy: what mends it.
        messages: what TensorRT or a tool said itself.
    """

    def __init__(self, what: str, remedy: str, messages: tuple = ()) -> None:
        super().__init__(what)
        self.what, self.remedy, self.messages = what, remedy, tuple(messages)

    def to_json(self) -> dict:
        """Plain JSON types: ``what``, ``remedy``, ``messages``."""
        return {"what": self.what, "remedy": self.remedy, "messages": list(self.messages)}
