"""WSF-ViT for video prediction: `SimVP` with the wavelet stem and two WSF blocks as translator.

Source: the video-prediction code of WSF-ViT (wavelet-based spatial-frequency attention), whose checkpoints load.
Different: the stem is a direct two-tap filter with a gradient (published: an FFT without one), any number of channels,
other frame sizes are padded to multiples of 32.
"""

from subband.models.registry import ModelSpec
from subband.models.simvp.shapes import SHAPES
from subband.models.simvp.simvp import SimVP

MMNIST = ModelSpec(
    task="video_prediction",
    builder=SimVP,
    args={
        "in_shape": SHAPES["mmnist"],
        "hid_S": 64,
        "hid_T": 512,
        "N_S": 4,
        "N_T": 2,
        "translator": "wsf",
        "stem": "wavelet",
        "drop_path": 0.0,
    },
    paper="WSF-ViT: wavelet-based spatial-frequency attention vision transformer, video-prediction configuration",
    layout="subband.convert.wsfvit_video:WSFVIT_VIDEO",
)

# Moving MNIST is the only published configuration.
MODELS: dict[str, ModelSpec] = {"wsfvit_video": MMNIST, "wsfvit_video_mmnist": MMNIST}
