"""The baseline under its name."""

from subband.models.registry import ModelSpec

MODELS: dict[str, ModelSpec] = {
    "persistence": ModelSpec(
        task="video_prediction",
        network="subband.models.persistence:Persistence",
        args={"in_shape": (10, 1, 64, 64)},
        params=0,
        paper="none: the last frame, repeated",
    )
}
