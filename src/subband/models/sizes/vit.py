"""Named sizes of `ViT`, as in Touvron et al., Training data-efficient image transformers, ICML 2021."""

from subband.models.registry import ModelSpec


def _spec(dim: int, num_heads: int, params: int) -> ModelSpec:
    return ModelSpec(
        task="classification",
        network="subband.models.vit:ViT",
        args={"dim": dim, "depth": 12, "num_heads": num_heads},
        params=params,
        paper="Dosovitskiy et al., An Image is Worth 16x16 Words, ICLR 2021",
        layout="subband.convert.vit:VIT",
    )


MODELS: dict[str, ModelSpec] = {"vit_ti": _spec(192, 3, 5_717_032), "vit_s": _spec(384, 6, 22_049_896)}
