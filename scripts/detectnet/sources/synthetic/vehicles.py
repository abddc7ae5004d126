"""Vehicles of a scene: which body stands where, with which plates and lettering."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from detectnet.sources.synthetic.meshes import shape


@dataclass(frozen=True)
class Mount:
    """A plate on a vehicle.

    Args:
        sprite: (h, w, 3) uint8 RGB.
        size: metres (width, height).
        end: rear or front.
        centre: metres (y, z) in vehicle axes.
        tilt: radians that the plate leans back.
        twist: radians that it hangs askew.
        shine: factor of its own brightness (retro-reflection, lamp above it).
        holder: RGB of the frame around it, None without one.
        caption: sprite of the dealer's lettering on the holder's lower edge, None without.
        identity: of its pixels on the canvas, 1..99.
        occluder: what covers a part of it, a name that ``mounting`` knows; "" for nothing.
        seed: of where and how large that is.
    """

    sprite: np.ndarray
    size: tuple[float, float]
    end: str
    centre: tuple[float, float]
    tilt: float = 0.0
    twist: float = 0.0
    shine: float = 1.0
    holder: tuple[int, int, int] | None = (24, 24, 26)
    caption: np.ndarray | None = None
    identity: int = 1
    occluder: str = ""
    seed: int = 0


@dataclass(frozen=True)
class Decal:
    """A lettered picture on a vehicle: sprite, end or flank, centre (across or x, z), size in metres."""

    sprite: np.ndarray
    place: str
    centre: tuple[float, float]
    size: tuple[float, float]
    identity: int = 0


@dataclass(frozen=True)
class Vehicle:
    """One vehicle of a scene.

    Args:
        body: name in ``BODIES``.
        paint: RGB of its lacquer; ``box`` of a lorry's box.
        position: (X, Y) of its rear end's middle on the ground.
        heading: radians; 0 drives away along +Y, positive turns right.
        scale: stretch of (length, width, height).
        lamps_on: its lamps shine.
    """

    body: str
    paint: tuple[int, int, int]
    position: tuple[float, float]
    heading: float
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)
    box: tuple[int, int, int] = (225, 225, 222)
    lamps_on: bool = False
    style: int = 0
    mounts: tuple[Mount, ...] = ()
    decals: tuple[Decal, ...] = field(default=())

    def to_world(self, local: np.ndarray) -> np.ndarray:
        """(..., 3) world points of points in vehicle axes, after scaling."""
        x, y, z = (local[..., axis] * self.scale[axis] for axis in range(3))
        sin, cos = np.sin(self.heading), np.cos(self.heading)
        return np.stack(
            [self.position[0] + x * sin - y * cos, self.position[1] + x * cos + y * sin, z], axis=-1
        )

    def turned(self, normals: np.ndarray) -> np.ndarray:
        """(..., 3) directions in world axes (scaling is small enough to be left out)."""
        sin, cos = np.sin(self.heading), np.cos(self.heading)
        x, y = normals[..., 0], normals[..., 1]
        return np.stack([x * sin - y * cos, x * cos + y * sin, normals[..., 2]], axis=-1)

    @property
    def length(self) -> float:
        """Metres."""
        return shape(self.body).length * self.scale[0]

    def middle(self) -> np.ndarray:
        """(3,) world position of the vehicle's centre on the ground."""
        return self.to_world(np.array([shape(self.body).length / 2, 0.0, 0.0]))

    def placed(self, position: tuple[float, float]) -> Vehicle:
        """This vehicle elsewhere."""
        return replace(self, position=position)

    def plate_quad(self, mount: Mount) -> np.ndarray:
        """(4, 3) world corners of a plate, clockwise from its top left as seen by its reader."""
        return self.to_world(plate_corners(self, mount, 0.0))


def plate_corners(vehicle: Vehicle, mount: Mount, margin: float) -> np.ndarray:
    """Corners in vehicle axes before scaling; sizes are kept true by dividing the scale out."""
    width, height = mount.size[0] + 2 * margin, mount.size[1] + 2 * margin
    outward = -1.0 if mount.end == "rear" else 1.0
    y, z = mount.centre
    form = shape(vehicle.body)
    foremost = form.foremost(mount.end, z - height / 2, z + height / 2)
    right = outward * np.cos(mount.twist), np.sin(mount.twist)
    across = np.array([-1, 1, 1, -1]) * width / 2
    up = np.array([1, 1, -1, -1]) * height / 2
    lean = outward * (0.02 - margin * 0.1) - outward * np.sin(mount.tilt) * (up + height / 2)
    flat_y = across * right[0] - up * np.sin(mount.twist) * outward
    flat_z = up * np.cos(mount.tilt) * np.cos(mount.twist) - across * right[1]
    return np.stack([foremost + lean, y + flat_y / vehicle.scale[1], z + flat_z / vehicle.scale[2]], axis=-1)
