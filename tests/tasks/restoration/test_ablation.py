"""Every entry of the ablation is the whole network but for one part, and trains as long as the others."""

import pytest

from subband.config import load_recipe, stage_recipes
from subband.models.registry import create_model
from subband.models.vd_diff.propagation import DynamicFilter
from subband.models.vd_diff.restorer import StridedTransformer
from subband.tasks.restoration.ablation import FAMILIES, ablation_entries


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("epochs", [None, 3, 9])
def test_all_entries_train_equally_long_on_equal_data(family, epochs):
    entries = ablation_entries(family, epochs, {"seed": 7, "data": {"args": {"num_test": 5}}})
    recipes = [load_recipe(entry.recipe, entry.changes) for entry in entries]
    lengths = [sum(stage.trainer.epochs for stage in stage_recipes(recipe).values()) for recipe in recipes]
    assert lengths == [8 if epochs is None else epochs] * len(entries)
    assert all(recipe.data == recipes[0].data for recipe in recipes)
    assert {(recipe.seed, recipe.data.args["num_test"]) for recipe in recipes} == {(7, 5)}
    assert len({entry.name for entry in entries}) == len(entries)


def networks(entry):
    recipe = load_recipe(entry.recipe, entry.changes)
    stages = stage_recipes(recipe).values()
    return [create_model(stage.model.name, **stage.model.args) for stage in stages], recipe


def test_forms_of_vd_diff():
    whole, teacher, no_prior, no_wavelets, no_dynamic_conv = ablation_entries("vd_diff", None, {})
    for entry, classes in (
        (whole, ["VDDiffStage1", "VDDiffStage2", "VDDiffStage3"]),
        (teacher, ["VDDiffStage1"]),
        (no_prior, ["VDDiffNoPrior"]),
        (no_wavelets, ["VDDiffStage1", "VDDiffStage2", "VDDiffStage3"]),
        (no_dynamic_conv, ["VDDiffStage1", "VDDiffStage2", "VDDiffStage3"]),
    ):
        models, _ = networks(entry)
        assert [type(model).__name__ for model in models] == classes
        for model in models:
            assert isinstance(model.restorer, StridedTransformer) == (entry is no_wavelets)
            is_dynamic = isinstance(model.restorer.forward_propagation.filter, DynamicFilter)
            assert is_dynamic == (entry is not no_dynamic_conv)
    with pytest.raises(ValueError, match="--epochs must be at least 3 for the 3 stages of VD-Diff"):
        ablation_entries("vd_diff", 2, {})


def test_forms_of_ftdeblur():
    entries = {entry.label: entry for entry in ablation_entries("ftdeblur", None, {})}
    assert [term.name for term in networks(entries["FTDeblur"])[1].loss] == ["charbonnier", "fft_l1"]
    for label in ("loss in space", "all in space"):
        assert [term.name for term in networks(entries[label])[1].loss] == ["charbonnier"]
    sizes = {label: sum(p.numel() for p in networks(entry)[0][0].parameters()) for label, entry in entries.items()}
    assert len(set(sizes.values())) == 5  # the loss changes nothing, and each of the others something of its own


def test_forms_of_mfpi():
    entries = {entry.label: entry for entry in ablation_entries("mfpi", None, {})}
    models, recipe = networks(entries["no privilege"])
    assert [model.guess for model in models] == [None]
    assert [term.name for term in recipe.loss] == ["psnr"]
    for label in ("no Fourier branch", "no large kernel", "no energy branch"):
        teacher, student = (model.trunks[0][2] for model in networks(entries[label])[0])
        for block in (teacher, student):
            assert (block.enhance.filter is None) == (label == "no Fourier branch")
            assert (block.enhance.large_kernel is None) == (label == "no large kernel")
            assert (block.energy is None) == (label == "no energy branch")
    with pytest.raises(ValueError, match="--epochs must be at least 2 for teacher and student of MFPI"):
        ablation_entries("mfpi", 1, {})
