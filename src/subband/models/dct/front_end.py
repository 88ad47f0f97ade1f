"""What the networks on cosine coefficients share: where the coefficients come from, and the gate."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn

from subband.layers.frequency_gate import FrequencyGate
from subband.layers.jpeg_dct import JPEG_SUBSETS, JpegDCT2d, JpegPipeline
from subband.models.protocols.classifier import Classifier

__all__ = ["IMAGENET_MEAN", "IMAGENET_STD", "DCTClassifier", "DCTInput"]

DCTInput = Literal["images", "coefficients"]

# Pixels of the image per element of the coefficients' maps, along one side.
PIXELS: dict[JpegPipeline, int] = {"classification": 8, "detection": 4}
GATED_CHANNELS = 192
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class DCTClassifier(Classifier):
    """Classifier of normalized cosine coefficients, made from images inside the network or before it.

    Args:
        channels: Frequencies of Y, Cb and Cr together: one of `subband.layers.jpeg_dct.JPEG_SUBSETS`.
        inputs: `images` `(B, 3, H, W)`, or `coefficients` `(B, channels, H / 8, W / 8)` as `JpegDCT2d` normalizes them.
        gated: Let a `FrequencyGate` choose channels for each image; for all 192.
        mean: What was subtracted from images, by color.
        std: What they were divided by after that.
        img_size: Side or sides of the images.
        num_classes: Logits K; 0 for pooled features instead.
        drop_rate: Dropout before the last layer.
        pipeline: Which coefficients: maps of an eighth of the image's sides, or of a quarter for detectors.
        with_input_norm: Bring the coefficients to mean 0 and variance 1 by a batch norm, for training on other images
            than large photographs. The published statistics leave deviations from 2 to 130.
    """

    def __init__(
        self,
        *,
        channels: int,
        inputs: DCTInput,
        gated: bool,
        mean: Sequence[float],
        std: Sequence[float],
        img_size: int | Sequence[int],
        num_classes: int,
        drop_rate: float,
        pipeline: JpegPipeline = "classification",
        with_input_norm: bool = False,
    ) -> None:
        height, width = (img_size, img_size) if isinstance(img_size, int) else img_size
        if inputs not in ("images", "coefficients"):
            raise ValueError(f"inputs must be 'images' or 'coefficients', got {inputs!r}.")
        if channels not in JPEG_SUBSETS:
            raise ValueError(f"channels must be one of {', '.join(map(str, JPEG_SUBSETS))}, got {channels}.")
        if gated and channels != GATED_CHANNELS:
            raise ValueError(f"gated=True chooses among all {GATED_CHANNELS} channels, got channels={channels}.")
        if pipeline not in PIXELS:
            raise ValueError(f"pipeline must be 'classification' or 'detection', got {pipeline!r}.")
        self.pixels = PIXELS[pipeline]
        takes_images = inputs == "images"
        super().__init__(
            num_classes=num_classes,
            in_chans=3 if takes_images else channels,
            img_size=(height, width) if takes_images else (-(-height // self.pixels), -(-width // self.pixels)),
            drop_rate=drop_rate,
        )
        self.channels = channels
        self.front_end = JpegDCT2d(channels, pipeline=pipeline, mean=mean, std=std) if takes_images else nn.Identity()
        self.input_norm = nn.BatchNorm2d(channels) if with_input_norm else nn.Identity()
        self.gate = FrequencyGate(channels) if gated else None

    @abstractmethod
    def maps(self, coefficients: Tensor) -> list[Tensor]:
        """Feature maps of all stages from coefficients `(B, channels, h, w)`, finest first."""

    def coefficients(self, x: Tensor) -> Tensor:
        """Normalized coefficients `(B, channels, h, w)` of what the network takes, before any gate."""
        if x.ndim != 4 or x.shape[1] != self.in_chans:
            raise ValueError(f"images must be (B, {self.in_chans}, H, W), got shape {tuple(x.shape)}.")
        return self.input_norm(self.front_end(x))

    def forward_stages(self, x: Tensor) -> list[Tensor]:
        """Feature maps of all stages, `(B, C, H, W)` each, in order of `stages`."""
        coefficients = self.coefficients(x)
        return self.maps(coefficients if self.gate is None else self.gate(coefficients)[0])

    def forward_features(self, x: Tensor) -> Tensor:
        """The last feature map, `(B, C, H, W)`."""
        return self.forward_stages(x)[-1]

    def forward_gated(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits, and which channels were kept.

        Train with the sum of the loss of the logits and a multiple of `gate_penalty` of the channels.

        Args:
            x: What the network takes.

        Returns:
            `(B, K)` and `(B, channels)`, 1 for kept channels, else 0.

        Raises:
            ValueError: If the network has no gate.
        """
        if self.gate is None:
            raise ValueError("this network has no gate; build it with gated=True and channels=192.")
        gated, keep = self.gate(self.coefficients(x))
        return self.forward_head(self.maps(gated)[-1]), keep

    def pool(self, features: Tensor) -> Tensor:
        """Mean over the map, `(B, num_features)`."""
        return features.mean((2, 3))
