"""How blurred clips are made: every quantity that is drawn, with its range."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from subband.data.restoration.response import Response, check_response

__all__ = ["BlurSettings"]

CAMERA_SETTINGS = ("speed", "roll", "max_objects")
"""Settings that photographs have and videos have not."""

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
            value, is_pair = getattr(self, name), isinstance(getattr(type(self), name), tuple)
            ends = value if is_pair else (value, value)
            is_complete = isinstance(ends, tuple) and len(ends) == 2 and all(_is_number(end) for end in ends)
            if not is_complete or not low <= ends[0] <= ends[1] <= high:
                what = "a pair (low, high)" if is_pair else "a number"
                raise ValueError(f"{name} must be {what} between {low:g} and {high:g}, got {value}")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any] | None, *, has_camera: bool = True) -> BlurSettings:
        """Settings from a recipe: what is not named has its default, lists are pairs.

        Args:
            values: By name; None for all defaults.
            has_camera: Whether settings of the virtual camera and of objects over photographs have an effect.

        Raises:
            TypeError: If a name is unknown or without effect; those there are, are listed.
            ValueError: If a number is out of range.

        Example:
            >>> BlurSettings.from_dict({"speed": 4, "exposure": [0.5, 0.5]}).exposure
            (0.5, 0.5)
        """
        known = [field.name for field in fields(cls) if has_camera or field.name not in CAMERA_SETTINGS]
        for name in values or {}:
            if name not in known:
                raise TypeError(f"blur has no setting {name!r}; it takes {', '.join(known)}")
        pairs: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in (values or {}).items()
        }
        return cls(**pairs)

    def to_dict(self, *, has_camera: bool = True) -> dict[str, Any]:
        """The numbers, for a JSON file.

        Args:
            has_camera: As in `from_dict`.
        """
        return {name: value for name, value in asdict(self).items() if has_camera or name not in CAMERA_SETTINGS}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
