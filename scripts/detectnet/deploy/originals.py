"""The original pictures, shown to a network as DeepStream would: not the resized copies that records hold."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from detectnet.contract import Contract
from detectnet.data import manifest, pictures
from detectnet.data.letterbox import letterbox_geometry
from detectnet.data.nvinfer_scaling import SCALINGS, Size, shown_to_network
from detectnet.deploy.runtime import Network, to_input
from detectnet.detection.deepstream_views import Seen, View
from detectnet.errors import UserError
from detectnet.files import PathLike


class Originals:
    """Shows pictures by source and frame_id; a ``Camera`` of ``detection.deepstream_views``.

    Attributes:
        views: the contract's scaling of frames that have the pictures' own size, which is what the generated
            app does; nearest scaling, nvinfer's default; and a frame of another size, where one is asked for.
    """

    def __init__(
        self, network: Network, contract: Contract, data: PathLike, frame: Size | None = None
    ) -> None:
        """Nothing is read before a picture is asked for.

        Args:
            network: of any stage.
            contract: how it is fed.
            data: folder with a folder for each source, ``manifest.csv`` and the pictures in it.
            frame: size of nvstreammux for the last view, px.

        Raises:
            UserError: nvinfer does not scale as the contract says.
        """
        own = next((name for name, how in SCALINGS.items() if how == contract.interpolation), None)
        if own is None:
            raise UserError(
                f"nvinfer cannot scale with '{contract.interpolation}'",
                where="contract.json interpolation",
                allowed=SCALINGS.values(),
            )
        self._network, self._contract, self._data = network, contract, Path(data)
        self._frames: dict[View, Size | None] = {View(own): None, View("nearest"): None}
        if frame is not None:
            self._frames[View(own, f"{frame[0]}x{frame[1]}")] = frame
        self.views: Sequence[View] = tuple(self._frames)
        self._listed = cache(self._pictures_of)

    def __call__(self, source: str, frame_id: str) -> list[Seen]:
        """The network's outputs for a picture in every view.

        Raises:
            UserError: the source or the picture is not among the originals, or cannot be read.
        """
        path = self._listed(source).get(frame_id)
        if path is None:
            raise UserError(
                f"the picture {frame_id} of the records is not among the originals",
                where=self._data / source / "manifest.csv",
                remedy="Evaluate records that were made from these pictures.",
            )
        picture = pictures.load(path)
        contract = self._contract
        height, width = picture.shape[:2]
        size = (contract.width, contract.height)
        how = {"rule": contract.letterbox, "padding": contract.padding}
        shown = [
            shown_to_network(picture, size, view.scaling, frame=frame, **how)
            for view, frame in self._frames.items()
        ]
        cov, bbox = self._network(np.stack([to_input(inside, contract) for inside, _ in shown]))
        # Ground truth is that of the records: in the pixels of a letterboxed picture that nothing stretched.
        plain = letterbox_geometry(width, height, *size, contract.letterbox)
        return [
            Seen(one_cov, one_bbox, (plain.scale_x / moved.scale_x, plain.scale_y / moved.scale_y))
            for one_cov, one_bbox, (_, moved) in zip(cov, bbox, shown, strict=True)
        ]

    def _pictures_of(self, source: str) -> dict[str, Path]:
        """The frame_id of every picture of a source -> its file; records name pictures by their stem."""
        folder = self._data / source
        rows = manifest.read(folder / "manifest.csv")
        return {f"images/{Path(image).stem}": folder / image for image in rows["image"]}
