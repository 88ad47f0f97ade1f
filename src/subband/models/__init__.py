"""Networks, one architecture a file or folder; `sizes` holds the tables of their named sizes."""

# Adding an architecture: write its file and, in `sizes`, its table, and name the table here.
TABLES = (
    "subband.models.sizes.dct",
    "subband.models.sizes.detection",
    "subband.models.sizes.generation",
    "subband.models.sizes.gfnet",
    "subband.models.sizes.persistence",
    "subband.models.sizes.pose",
    "subband.models.sizes.restoration",
    "subband.models.sizes.super_resolution",
    "subband.models.sizes.simvp",
    "subband.models.sizes.vit",
    "subband.models.sizes.wast",
    "subband.models.sizes.wsfvit",
)
