"""How blurred clips are made: every quantity that is drawn, with its range."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from subband.data.restoration.response import Response, check_response

__all__ = ["BlurSettings"]

MAX_SPEED = 64.0  # pixels per frame: an exposure has as many sub-frames as pixels of movement


@dataclass(frozen=True, kw_only=True)
class BlurSettings:
    """Ranges of all that is drawn for a clip; a pair of equal numbers fixes a quantity.

    Args:
        exposure: Share of the time between two frames for which the shutter is open, in (0, 1]; drawn for a clip.
        sharp_share: Share of the frames that are exposed for `sharp_exposure` only: sharp neighbors among blurred
            frames, as in footage in which the camera rests now and then.
        sharp_exposure: Exposure of those frames, in (0, 1].
        response: How light is stored: `"srgb"`, or a gamma (1 averages stored values).
        speed: Fastest movement in pixels per frame, for photographs: the camera drifts at up to 0.8 of it (slow drifts
            being likelier), shakes by up to 0.15 of it, and jitters at random by up to 0.5 of it.
        roll: Fastest random rotation of the camera in radians per frame, for photographs.
        max_objects: Most objects that move on their own over a photograph; 0 to this many.
        highlights: Share of the clips in which white is light that the sensor cut off, up to five times as bright: it
            leaves streaks.
        brightness: Factor of the light of a clip, every order of magnitude as likely as any other.
        noise_share: Share of the clips with sensor noise.
        shot_noise: Variance of the noise of full light; grows with the light (photons).
        read_noise: Standard deviation of the noise in the dark.
        jpeg_share: Share of the clips whose degraded frames were compressed.
        jpeg_quality: Quality on libjpeg's scale, 1 to 100.

    Raises:
        ValueError: If a number is out of range.
    """

    exposure: tuple[float, float] = (0.4, 1.0)
    sharp_share: float = 0.0
    sharp_exposure: float = 0.1
    response: Response = "srgb"
    speed: float = 12.0
    roll: float = 0.02
    max_objects: int = 3
    highlights: float = 0.3
    brightness: tuple[float, float] = (0.5, 1.2)
    noise_share: float = 0.7
    shot_noise: tuple[float, float] = (1e-5, 1e-3)
    read_noise: tuple[float, float] = (2e-4, 3e-3)
    jpeg_share: float = 0.4
    jpeg_quality: tuple[int, int] = (60, 98)

    def __post_init__(self) -> None:
        check_response(self.response)
        bounds: dict[str, tuple[float, float]] = {
            "exposure": (0.01, 1.0),
            "sharp_exposure": (0.01, 1.0),
            "sharp_share": (0.0, 1.0),
            "speed": (0.0, MAX_SPEED),
            "roll": (0.0, 0.2),
            "max_objects": (0, 8),
            "highlights": (0.0, 1.0),
            "brightness": (0.05, 5.0),
            "noise_share": (0.0, 1.0),
            "shot_noise": (1e-8, 0.1),
            "read_noise": (1e-8, 0.1),
            "jpeg_share": (0.0, 1.0),
            "jpeg_quality": (1, 100),
        }
        for name, (low, high) in bounds.items():
            value = getattr(self, name)
            ends = tuple(value) if isinstance(value, tuple | list) else (value, value)
            if len(ends) != 2 or not low <= ends[0] <= ends[1] <= high:
                what = "a pair (low, high)" if isinstance(getattr(type(self), name), tuple) else "a number"
                raise ValueError(f"{name} must be {what} between {low:g} and {high:g}, got {value}")

    def to_dict(self) -> dict[str, Any]:
        """The numbers, for a JSON file."""
        return asdict(self)
