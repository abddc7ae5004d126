"""Pictures made from several: four in the place of one, and objects pasted from one into another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from detectnet.network.augmentation.applying import apply, rearrange, repaint
from detectnet.network.augmentation.drawing import Change, draw
from detectnet.network.augmentation.geometry import transform_boxes
from detectnet.network.augmentation.pasting import Cutting, cut_out, paste
from detectnet.network.augmentation.scene import Labels, Scene, Seen, labels_of
from detectnet.network.augmentation.settings import AugmentationSettings

_OF_MIXING = 2  # its stream of random numbers
_MEETING = (0.25, 0.75)  # where the pictures of a mosaic meet, as shares of width and height
_SEEN_IN_A_MOSAIC = 0.4  # of its area that an object there needs


@dataclass(frozen=True)
class Mixer:
    """Makes the samples of a training: each is a pure function of its number and the seed.

    Attributes:
        scene: gives the picture of a number with its objects.
        count: of the pictures.
        donors: numbers of the pictures that have objects to paste.
        settings, seed: of the training.
    """

    scene: Callable[[int], Scene]
    count: int
    donors: np.ndarray
    settings: AugmentationSettings
    seed: int

    def make(self, number: int, sample: int) -> Seen:
        """Sample number ``sample`` of the training, which is picture ``number``'s turn."""
        mixing = self.settings.mixing
        if not mixing.active:
            return self._alone(number, sample, None)
        random = np.random.default_rng((self.seed, sample, _OF_MIXING))
        if random.random() < mixing.mosaic:
            return self._mosaic(number, sample, random)
        return self._alone(number, sample, random if random.random() < mixing.paste else None)

    def _alone(self, number: int, sample: int, random: np.random.Generator | None) -> Seen:
        """One picture; with ``random``, objects of others are pasted in."""
        scene, change = self._drawn(number, sample, self.settings)
        picture = rearrange(scene.picture, change, self.settings)
        labels = labels_of(scene, change.matrix, self.settings)
        if random is not None:
            content = transform_boxes(np.array([[0, 0, *scene.size]]), change.matrix)[0]
            cuttings = self._cuttings(random)
            picture, pasted = paste(picture, labels.boxes, content, cuttings, random, self.settings)
            labels = labels + pasted
        return Seen(repaint(picture, change), labels, (number,))

    def _drawn(
        self, number: int, sample: int, settings: AugmentationSettings, *stream: int
    ) -> tuple[Scene, Change]:
        scene = self.scene(number)
        objects = scene.boxes[scene.objects(settings.minimum_box)] if settings.object_window else None
        change = draw(settings, self.seed, sample, content=scene.size, objects=objects, stream=stream)
        return scene, change

    def _mosaic(self, number: int, sample: int, random: np.random.Generator) -> Seen:
        """Four pictures in the corners, each a window into its own that is as large as its corner."""
        settings = self.settings
        meeting = (np.array([settings.width, settings.height]) * random.uniform(*_MEETING, 2)).astype(int)
        x, y = meeting.tolist()
        columns, rows = ((0, x), (x, settings.width)), ((0, y), (y, settings.height))
        numbers = (number, *random.integers(self.count, size=3).tolist())
        tiles: list[np.ndarray] = []
        labels: list[Labels] = []
        for turn, one in enumerate(numbers):
            (left, right), (top, bottom) = columns[turn % 2], rows[turn // 2]
            share = max(_SEEN_IN_A_MOSAIC, settings.visible_share)
            part = replace(settings.window(right - left, bottom - top), visible_share=share)
            stream = (_OF_MIXING, turn) if turn else ()
            scene, change = self._drawn(one, sample, part, *stream)
            tiles.append(apply(scene.picture, change, part))
            found = labels_of(scene, change.matrix, part)
            labels.append(replace(found, boxes=found.boxes + np.array([left, top] * 2)))
        picture = np.vstack([np.hstack(tiles[:2]), np.hstack(tiles[2:])])
        return Seen(picture, sum(labels[1:], labels[0]), numbers)

    def _cuttings(self, random: np.random.Generator) -> list[Cutting]:
        """Objects of other pictures, at most as many as the settings say."""
        wanted = int(random.integers(1, self.settings.mixing.paste_most + 1)) if len(self.donors) else 0
        found = [cut_out(self.scene(int(random.choice(self.donors))), random) for _ in range(wanted)]
        return [one for one in found if one is not None]
