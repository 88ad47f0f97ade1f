"""The table of published weights is right in itself and beside the table of models."""

import inspect
import json
import re
from urllib.parse import urlsplit

import pytest
import torch

from subband import create_model
from subband.catalogue import entries
from subband.catalogue.entries import (
    PublishedWeights,
    choose_weights,
    client_of,
    drive_id,
    find_weights,
    list_weights,
)
from subband.catalogue.fetch import size_text, terms, where_by_hand
from subband.models.registry import catalog, model_spec

ROWS = list_weights()
LOADERS = {"subband.convert.dct_resnet.load_dct_pyramid"}


def test_the_file_is_data_in_the_form_of_the_class():
    raw = json.loads(entries.TABLE.read_text("utf-8"))
    assert len(raw["weights"]) == len(ROWS) == 101
    assert len({row.name for row in ROWS}) == len(ROWS)
    assert {row.family for row in ROWS} == {
        "BasicVSR++",
        "DCTNet",
        "ESTRNN",
        "GFNet",
        "OpenSTL",
        "ViTPose",
        "WSF-ViT",
    }


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_row_says_where_on_what_terms_and_for_what(row):
    for address in (*row.addresses, row.source):
        assert urlsplit(address).scheme == "https"
        assert urlsplit(address).hostname
    assert row.licence
    assert "none" in row.licence or re.match(r"(Apache|MIT)", row.licence)
    assert row.trained_on
    assert row.inputs
    assert client_of(row.address) != "drive" or re.fullmatch(r"[\w-]{33}", drive_id(row.address))
    assert not row.loader or row.loader in LOADERS
    assert bool(row.classes) == (row.task in ("classification", "detection", "pose"))
    digits = re.search(r"[-_]([0-9a-f]{8})(_\d{8})?\.pth$", row.file)
    assert digits is None or row.sha256.startswith(digits[1])
    assert row.name in terms(row)
    assert row.licence in terms(row)
    assert row.address in where_by_hand(row)
    assert size_text(row)


def test_every_row_has_a_network_that_loads_published_files():
    for row in ROWS:
        spec = model_spec(row.model)
        assert spec.layout is not None, row.name
        assert row.loader or spec.task == row.task, row.name
        assert set(row.overrides) - entries.PARTS <= set(inspect.signature(spec.builder).parameters), row.name
        assert all(model_spec(other).builder is spec.builder for other in row.also_fits), row.name


def test_other_names_are_those_of_the_same_network():
    def shape(name):
        return {key: value for key, value in model_spec(name).args.items() if key != "drop_path"}

    alike = {(row.model, other) for row in ROWS for other in row.also_fits}
    assert len(alike) == 5
    assert all(shape(model) == shape(other) for model, other in alike)


@pytest.mark.slow
def test_arguments_of_rows_make_networks():
    changed = {(row.model, tuple(sorted(row.overrides.items()))) for row in ROWS if set(row.overrides) - entries.PARTS}
    assert len(changed) == 4
    for model, overrides in changed:
        with torch.device("meta"):
            assert create_model(model, **dict(overrides)).model_config["args"] == dict(overrides)


def test_a_model_has_at_most_one_default():
    names = {model for row in ROWS for model in row.models}
    for name in names:
        own = [row for row in ROWS if name in row.models and not row.loader]
        assert sum(row.is_default for row in own) <= (len(own) > 1), name
    undecided = {name for name in names if len([row for row in ROWS if name in row.models]) > 1}
    undecided -= {name for row in ROWS if row.is_default for name in row.models}
    assert undecided == {"basicvsr_pp_deblur", "basicvsr_pp_ntire_compressed", "estrnn"}


def test_which_published_models_have_no_row_is_known():
    known = {model for row in ROWS for model in row.models}
    lacking = {name for name, spec in catalog().items() if spec.layout is not None} - known
    unpublished = r"wast.*|vd_diff.*|estrnn_c\w+|.*_(bair|kinetics|noisymmnist)|.*_weather_(mv_4_s6|t2m_1_40625)"
    unpublished += r"|vit_(ti|s)"  # a layout of timm, exchanged but published by nobody in these sizes
    assert {name for name in lacking if not re.fullmatch(unpublished, name)} == {"simvp_gsta_l_mmnist", "simvp_human"}


@pytest.mark.parametrize(
    ("name", "overrides", "chosen"),
    [
        ("wsfvit_t", {}, "wsfvit_t"),
        ("simvp_gsta_mmnist", {}, "simvp_gsta_mmnist_ep2000"),
        ("simvp_gsta_mmnist_ep200", {}, "simvp_gsta_mmnist_ep200"),
        ("simvp_gsta", {}, "simvp_gsta_mmnist_ep2000"),
        ("dct_resnet50", {}, "dct_resnet50_24"),
        ("dct_resnet50", {"channels": 64}, "dct_resnet50_64"),
        ("dct_resnet50", {"channels": 24}, "dct_resnet50_24"),
        ("dct_resnet50", {"channels": 48}, "dct_resnet50_24"),
        ("wsfvit_t", {"num_classes": 1000}, "wsfvit_t"),
        ("vitpose_s", {}, "vitpose_s_plus_hub"),
        ("vitpose_s", {"expert": "aic", "num_joints": 14}, "vitpose_s_plus_hub"),
        ("vitpose_b", {}, "vitpose_b_hub"),
        ("basicvsr_pp", {}, "basicvsr_pp_reds4"),
        ("wsfvit_t_maskrcnn", {}, "wsfvit_t_maskrcnn"),
    ],
)
def test_the_file_of_a_model(name, overrides, chosen):
    assert choose_weights(name, overrides).name == chosen


@pytest.mark.parametrize(
    ("name", "overrides", "words"),
    [
        ("wsfvit_tt", {}, r"no published weights are known by the name 'wsfvit_tt'; did you mean wsfvit_t"),
        ("zzz", {}, r"`subband weights list` shows what there is"),
        ("wast", {}, r"no published weights are known by the name 'wast'"),
        ("estrnn", {}, r"name one of them: estrnn_bsd_1ms8ms, estrnn_bsd_2ms16ms, estrnn_bsd_3ms24ms\."),
        ("vitpose_b", {"head": "simple"}, r"several published files.*: vitpose_b_hub_simple, vitpose_b_mmpose_simple"),
        ("dct_mask_rcnn_24", {}, r"the backbone alone loads: .* to subband\.convert\.dct_resnet\.load_dct_pyramid\."),
    ],
)
def test_names_that_mean_no_file(name, overrides, words):
    with pytest.raises(ValueError, match=words):
        choose_weights(name, overrides)


def test_a_backbone_is_found_by_its_name_alone():
    assert find_weights("dct_mask_rcnn_24").loader in LOADERS
    assert find_weights("dct_resnet50").name == "dct_resnet50_24"


@pytest.mark.parametrize("changes", [{"name": "../x"}, {"name": "a b"}, {"sha256": "xyz"}, {"sha256": "abc"}])
def test_rows_that_are_not_safe(changes):
    row = {"name": "x", "family": "f", "task": "t", "model": "m", "trained_on": "d", "inputs": "i", "licence": "l"}
    with pytest.raises(ValueError, match="published weights"):
        PublishedWeights(**{**row, "address": "https://a", "source": "https://b", **changes})
