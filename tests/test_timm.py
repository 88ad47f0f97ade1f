"""The classifiers as timm models."""

import pytest
import torch

import subband

timm = pytest.importorskip("timm")

TINY = {"dims": (8, 16, 24, 32), "depths": (1, 1, 1, 1), "num_heads": (2, 4, 4, 8), "head_dim": 4, "stem_dim": 8}


@pytest.fixture(scope="module", autouse=True)
def _registered():
    import subband.timm  # noqa: F401


def test_every_classifier_is_known_to_timm():
    from subband.models.registry import catalog

    classifiers = {name for name, spec in catalog().items() if spec.task == "classification"}
    assert classifiers <= set(timm.list_models())


def test_features_are_those_of_the_classifier(rng):
    torch.manual_seed(0)
    features = timm.create_model("wsfvit_t", features_only=True, out_indices=(0, -1), img_size=64, **TINY).eval()
    assert features.feature_info.channels() == [8, 32]
    assert features.feature_info.reduction() == [4, 32]
    images = torch.randn(2, 3, 64, 96, generator=rng)
    with torch.no_grad():
        maps, expected = features(images), features.model.forward_stages(images)
    assert [tuple(item.shape) for item in maps] == [(2, 8, 16, 24), (2, 32, 2, 3)]
    torch.testing.assert_close(maps, [expected[0], expected[-1]])


def test_options_of_timm_reach_the_model():
    model = timm.create_model("wsfvit_t", num_classes=7, in_chans=1, drop_path_rate=0.3, img_size=64, **TINY)
    assert isinstance(model, subband.models.wsfvit.wsfvit.WSFViT)
    assert model(torch.zeros(1, 1, 64, 64)).shape == (1, 7)
    assert model.trunk.levels[-1][-1].grid.drop_path.rate == pytest.approx(0.3)


def test_optimizers_of_timm_leave_position_tables_without_decay():
    from timm.optim import param_groups_weight_decay

    model = timm.create_model("wsfvit_t", img_size=64, **TINY)
    groups = param_groups_weight_decay(model, 0.05, no_weight_decay_list=model.no_weight_decay())
    free = {id(parameter) for group in groups if group["weight_decay"] == 0 for parameter in group["params"]}
    assert {n for n, p in model.named_parameters() if p.ndim > 1 and id(p) in free} == model.no_weight_decay()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"out_indices": (0,)}, r"out_indices needs features_only=True"),
        ({"features_only": True, "out_indices": (4,)}, r"out_indices must lie within the 4 stages, got \(4,\)"),
    ],
)
def test_what_timm_asks_in_vain_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        timm.create_model("wsfvit_t", **options)


def test_an_unknown_option_is_named():
    with pytest.raises(TypeError, match=r"model 'wsfvit_t' has no argument 'drop_path'; did you mean drop_path_rate\?"):
        timm.create_model("wsfvit_t", drop_path=0.1)


@pytest.mark.parametrize("name", ["wsfvit_p0", "wsfvit_m", "wsfvit_s_384", "gfnet_h_ti", "dct_mobilenetv2"])
def test_timm_prepares_images_as_published(name):
    from subband.models.preprocessing import published_preprocessing

    with torch.device("meta"):
        model = timm.create_model(name, num_classes=4)
    wanted = published_preprocessing(model)
    found = timm.data.resolve_model_data_config(model)
    assert found["input_size"] == (3, *wanted["size"])
    assert found["crop_pct"] == wanted["crop_ratio"]
    assert all(found[key] == wanted[key] for key in ("mean", "std", "interpolation", "crop_mode"))
    assert model.default_cfg["num_classes"] == 4
