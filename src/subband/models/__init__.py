"""Networks, one architecture a file; each file ends with its named sizes in `MODELS`."""

# Adding an architecture: write its file, name it here.
MODEL_MODULES = (
    "subband.models.dct_mobilenetv2",
    "subband.models.dct_resnet",
    "subband.models.gfnet",
    "subband.models.persistence",
    "subband.models.simvp",
    "subband.models.tau",
    "subband.models.vit",
    "subband.models.wast",
    "subband.models.wsfvit",
    "subband.models.wsfvit_video",
)
