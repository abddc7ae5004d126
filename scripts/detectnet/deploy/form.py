"""The form of an exported network: what differs between files that compute the same."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from detectnet.contract import DYNAMIC, FIRST_OUTPUT, Contract
from detectnet.errors import UserError

ANY_BATCH = "dynamic"
PLAIN, TENSORFLOW = "plain", "tensorflow"
NAMES = (PLAIN, TENSORFLOW)
OUTSIDE, EMBEDDED = "outside", "embedded"
PREPROCESSING = (OUTSIDE, EMBEDDED)
CHANNEL_ORDERS = ("RGB", "BGR")
_BATCHES = f"1 and above, or {ANY_BATCH}"


@dataclass(frozen=True)
class Form:
    """Wishes about the file, which the contract then carries to whoever feeds and reads it.

    Attributes:
        opset: ONNX operator set; 13 is the highest that TensorRT 8.2 reads.
        batch: pictures at once, or ``DYNAMIC`` for any number.
        names: ``plain`` tensor names, or those of ``tensorflow``, which end in ``:0``.
        preprocess: ``outside``: the file takes float32 RGB 0..1; ``embedded``: it takes pixels, 0..255, and
            scale and channel order are in its first convolution (nvinfer's ``net-scale-factor`` is then 1).
        channel_order: ``RGB`` or ``BGR``, of the pixels of an embedded form.
    """

    opset: int = 13
    batch: int = 1
    names: str = PLAIN
    preprocess: str = OUTSIDE
    channel_order: str = "RGB"

    def __post_init__(self) -> None:
        known = {"names": NAMES, "preprocess": PREPROCESSING, "channel_order": CHANNEL_ORDERS}
        for name, allowed in known.items():
            if getattr(self, name) not in allowed:
                raise UserError(f"'{getattr(self, name)}' is not known", where=name, allowed=allowed)
        if self.batch < 1 and self.batch != DYNAMIC:
            raise UserError(f"the batch is {self.batch}", where="batch", allowed=_BATCHES)
        if self.preprocess == OUTSIDE and self.channel_order != "RGB":
            raise UserError(
                f"channel_order is {self.channel_order}, and preprocess is {OUTSIDE}",
                where="channel_order",
                allowed="RGB, in which a network is trained",
                remedy=f"Export with preprocess: {EMBEDDED}, which folds another order into the file.",
            )

    def of(self, contract: Contract) -> Contract:
        """The contract of a network that is exported in this form.

        Args:
            contract: of the spec: plain names, batch 1, preprocessing outside.

        Raises:
            UserError: a network of one channel is to have another order of channels.
        """
        suffix = FIRST_OUTPUT if self.names == TENSORFLOW else ""
        names = {name: getattr(contract, name) + suffix for name in ("input_name", "cov_name", "bbox_name")}
        made = dataclasses.replace(contract, opset=self.opset, batch=self.batch, **names)
        if self.preprocess == OUTSIDE:
            return made
        if self.channel_order != "RGB" and contract.channels != len(self.channel_order):
            raise UserError(
                f"the network has {contract.channels} channel, and channel_order is {self.channel_order}",
                where="channel_order",
                remedy="Leave channel_order out: a grey picture has no order of channels.",
            )
        order = self.channel_order if contract.channels == len(self.channel_order) else contract.channel_order
        return dataclasses.replace(made, scale=1.0, channel_order=order)


def batch_of(text: str) -> int:
    """The batch that a text means: a number, or ``dynamic``.

    Raises:
        UserError: it is neither.
    """
    if text == ANY_BATCH:
        return DYNAMIC
    if not text.isdecimal() or int(text) < 1:
        raise UserError(f"'{text}' is no batch", where="batch", allowed=_BATCHES)
    return int(text)
