import pytest
import torch

import subband
from subband.training.start import start_from

SMALL = {
    "gfnet_ti": {"dims": (8,), "depths": (1,), "patch_size": 4},
    "wsfvit_p0": {
        "dims": (8, 8, 16, 16),
        "depths": (1, 1, 1, 1),
        "num_heads": (2, 2, 2, 2),
        "head_dim": 4,
        "stem_dim": 8,
    },
}


def saved(folder, name, **changes):
    model = subband.create_model(name, **SMALL[name], **changes)
    subband.save_model(model, folder)
    return model


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("num_classes", [5, 7])
def test_weights_of_another_image_size_are_resized_as_published(tmp_path, name, num_classes):
    start = saved(tmp_path / "small", name, img_size=224, num_classes=5)
    model = subband.create_model(name, **SMALL[name], img_size=384, num_classes=num_classes)
    fresh = model.head.weight.clone()
    start_from(model, str(tmp_path / "small"))
    published = subband.export_published(start)
    wanted = subband.load_published(name, published, **SMALL[name], img_size=384, num_classes=5).state_dict()
    resized = [key for key, value in start.state_dict().items() if value.shape != wanted[key].shape]
    assert resized
    for key, value in model.state_dict().items():
        if num_classes == 5 or not key.startswith("head."):
            assert torch.equal(value, wanted[key]), key
    assert model.head.weight.shape == (num_classes, wanted["head.weight"].shape[1])
    assert not torch.equal(model.head.weight, fresh)


def test_another_number_of_heads_is_no_silent_start(tmp_path):
    saved(tmp_path / "m", "wsfvit_p0", num_classes=5)
    args = {**SMALL["wsfvit_p0"], "num_heads": (4, 4, 4, 4)}
    with pytest.raises(
        ValueError, match=r"trained with num_heads \[2, 2, 2, 2\], the recipe's model has \[4, 4, 4, 4\]"
    ):
        start_from(subband.create_model("wsfvit_p0", **args, num_classes=5), str(tmp_path / "m"))


@pytest.mark.parametrize("changes", [{"depths": (2,)}, {"dims": (16,)}])
def test_another_network_does_not_fit(tmp_path, changes):
    saved(tmp_path / "m", "gfnet_ti", img_size=32, num_classes=5)
    model = subband.create_model("gfnet_ti", **{**SMALL["gfnet_ti"], **changes}, img_size=64, num_classes=5)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(ValueError, match=r"m do not fit the recipe's model: \d+ entries differ, first"):
        start_from(model, str(tmp_path / "m"))
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
