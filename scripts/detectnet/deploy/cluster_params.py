"""How stand-alone inference clusters, names and colours what it finds: its settings file applied."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from PIL import ImageColor

from detectnet.contract import Contract
from detectnet.errors import UserError
from detectnet.files import PathLike
from detectnet.spec import Message, clustering_of, load

KINDS = ("cluster_params", "inference")
DEFAULT = "default"
"""The entry for classes that are not named, in every map of these files."""
AGGREGATE = "aggregate_cov"
Colour = tuple[int, int, int]
GREEN: Colour = (0, 255, 0)


@dataclass(frozen=True)
class ClusterParams:
    """What an inference is asked for.

    Attributes:
        clustering: per class, in the order of the network's channels, the values of ``ClusterSettings``.
        shown: classes that are reported; empty: all.
        names: class to the name it is written with; itself where missing.
        colours: class to RGB 0..255; green where missing.
        labels: whether KITTI files are written.
        overlay: whether pictures with boxes are written.
        linewidth: of the boxes, pixels; None grows with the picture.
        where: the file, for errors.
    """

    clustering: Mapping[str, Mapping[str, Any]]
    shown: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    colours: Mapping[str, Colour] = field(default_factory=dict)
    labels: bool = True
    overlay: bool = True
    linewidth: int | None = None
    where: str = "contract"

    @classmethod
    def from_message(cls, message: Message) -> ClusterParams:
        """From a ``cluster_params.json`` of TLT 1.0 or an inference spec of the later versions."""
        return _of_inference(message) if message.kind == "inference" else _of_json(message)

    @classmethod
    def from_contract(cls, contract: Contract) -> ClusterParams:
        """The clustering that the network was evaluated with."""
        return cls({name: contract.clustering.get(name, {}) for name in contract.classes})

    def applied(self, contract: Contract) -> Contract:
        """The contract with this clustering.

        Raises:
            UserError: the classes are not the network's, in the order of its channels.
        """
        found = {name.lower(): values for name, values in self.clustering.items()}
        if list(found) != [name.lower() for name in contract.classes]:
            raise UserError(
                f"the target classes are {', '.join(self.clustering)}",
                where=self.where,
                allowed=f"{', '.join(contract.classes)}: the network's classes in their order",
            )
        clustering = {name: dict(found[name.lower()]) for name in contract.classes}
        return dataclasses.replace(contract, clustering=clustering)

    def shows(self, name: str) -> bool:
        """Whether a class is reported."""
        return not self.shown or name.lower() in self.shown

    def written(self, name: str) -> str:
        """The name that a class is written with."""
        return self.names.get(name.lower(), name)

    def colour(self, name: str) -> Colour:
        """RGB 0..255 of the class's boxes."""
        return _entry(self.colours, name.lower()) or GREEN


def load_settings(path: PathLike, *, for_rules: bool = True) -> Message:
    """Read and check a ``cluster_params.json`` of TLT 1.0 or an inference spec of the later versions.

    Args:
        path: of the file.
        for_rules: as in `detectnet.spec.load`.

    Raises:
        UserError: the file cannot be used, or is a spec of another kind.
    """
    message = load(path, for_rules=for_rules)
    if message.kind not in KINDS:
        raise UserError(
            f"an {message.kind} spec does not say how inference clusters",
            where=path,
            allowed="an inference spec (inferencer_config, bbox_handler_config) or a cluster_params.json",
        )
    return message


def _entry(table: Mapping[str, Any], name: str) -> Any:
    return table.get(name, table.get(DEFAULT))


def _lower(table: Mapping[str, Any]) -> dict[str, Any]:
    """Class names are compared in lower case, as the records hold them."""
    return {name.lower(): value for name, value in table.items()}


def _of_json(message: Message) -> ClusterParams:
    clustering = {
        name: values
        | {"dbscan_criterion": message.dbscan_criterion}
        | {"confidence_model": _entry(message.confidence_model, name) or AGGREGATE}
        for name, values in clustering_of(message).items()
    }
    return ClusterParams(
        clustering,
        shown=tuple(map(str.lower, message.postproc_classes)),
        names=_lower(message.output_map),
        colours=_lower({name: _rgb(colour, message) for name, colour in message.color.items()}),
        where=message.where(),
    )


def _rgb(colour: str, message: Message) -> Colour:
    try:
        return ImageColor.getrgb(colour)[:3]
    except ValueError as error:
        raise UserError(
            f"unknown colour '{colour}'", where=message.where("color"), allowed="CSS names or #rrggbb"
        ) from error


def _of_inference(message: Message) -> ClusterParams:
    handler = message.bbox_handler_config
    entries = handler.classwise_bbox_handler_config
    coloured = {name: entry.bbox_color for name, entry in entries.items() if entry.has("bbox_color")}
    return ClusterParams(
        {
            name: values | {"confidence_model": _entry(entries, name).confidence_model}
            for name, values in clustering_of(message).items()
        },
        shown=tuple(map(str.lower, handler.postproc_classes)),
        names=_lower({name: entry.output_map for name, entry in entries.items() if entry.output_map}),
        colours=_lower({name: (one.R, one.G, one.B) for name, one in coloured.items()}),
        # TAO's default is false; a field that is absent takes ours.
        labels=handler.kitti_dump or not handler.has("kitti_dump"),
        overlay=not handler.disable_overlay,
        linewidth=handler.overlay_linewidth if handler.has("overlay_linewidth") else None,
        where=message.where(),
    )
