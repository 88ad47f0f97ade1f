"""Networks, one architecture a file; each file ends with its named sizes in `MODELS`."""

# Adding an architecture: write its file, name it here.
MODEL_MODULES = (
    "subband.models.dct.mobilenetv2",
    "subband.models.dct.resnet",
    "subband.models.gfnet",
    "subband.models.persistence",
    "subband.models.simvp.simvp",
    "subband.models.simvp.tau",
    "subband.models.vit",
    "subband.models.wast.wast",
    "subband.models.wsfvit.wsfvit",
    "subband.models.wsfvit.video",
)
