"""What would make a training come to nothing, found in spec, records, pictures and graph before it starts."""

from __future__ import annotations

from detectnet.network.preflight.checks import preflight
from detectnet.network.preflight.finding import Finding, settle
from detectnet.network.preflight.labels import Losses, losses_of, warn_of_losses

__all__ = ["Finding", "Losses", "losses_of", "preflight", "settle", "warn_of_losses"]
