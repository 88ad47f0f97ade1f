"""Options without effect are said: every option of the table against every value of what decides about it."""

import dataclasses
import warnings
from pathlib import Path

import pytest

from subband.config import RecipeConfig, build_recipe, list_recipes, load_recipe, merge
from subband.metrics.descriptors import CLASSIFICATION_METRICS, VIDEO_METRICS
from subband.training.options import (
    RULES,
    SECTIONS,
    OptionRule,
    cases_of,
    check_changes,
    check_evaluation,
    check_options,
    default_of,
)

MINIMAL = {"task": "video_prediction", "model": {"name": "wast"}, "data": {"name": "moving_digits"}}
# Another value than the default for every option of the table, and for every selector without a list of values.
GIVEN = {
    "optim.warmup_epochs": 3.0,
    "optim.warmup_lr": 1e-4,
    "optim.min_lr": 1e-4,
    "optim.step_epochs": 7.0,
    "optim.step_factor": 0.5,
    "optim.per_epoch": True,
    "optim.betas[0]": (0.8, 0.999),
    "optim.betas[1]": (0.9, 0.99),
    "drop_path.mode": "early",
    "drop_path.rate": 0.1,
    "drop_path.cutoff_epochs": 2,
    "drop_path.ramp": True,
    "trainer.eval_mode": True,
}
# What every other option needs to have an effect itself.
SURROUNDINGS = {
    "optim.warmup_lr": {"optim.schedule": "cosine", "optim.warmup_epochs": 1.0},
    "drop_path.mode": {"drop_path.rate": 0.1},
    "drop_path.cutoff_epochs": {"drop_path.rate": 0.1, "drop_path.mode": "early"},
    "drop_path.ramp": {"drop_path.rate": 0.1, "drop_path.mode": "early"},
    "optim.warmup_epochs": {"optim.schedule": "cosine"},
}


def recipe_with(settings: dict[str, object]) -> RecipeConfig:
    nested: dict = {}
    for option, value in settings.items():
        section, name = option.split("[")[0].split(".")
        nested.setdefault(section, {})[name] = value
    return build_recipe(merge(MINIMAL, nested))


def pairs() -> list:
    return [
        pytest.param(rule, case, id=f"{rule.option}{rule.value or ''}-{rule.selector}-{case}")
        for rule in RULES
        for case in cases_of(rule.selector)
    ]


@pytest.mark.parametrize(("rule", "case"), pairs())
def test_every_option_with_every_value_that_decides_about_it(rule: OptionRule, case: str) -> None:
    given = rule.value or GIVEN[rule.option]
    value = {"set": GIVEN.get(rule.selector), "unset": default_of(rule.selector)}.get(case, case)
    around = SURROUNDINGS.get(rule.option, {}) if case in rule.works_with or rule.selector != "optim.schedule" else {}
    recipe = recipe_with({**around, rule.option: given, rule.selector: value})
    words = rule.option.replace("[", r"\[").replace("]", r"\]")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if case in (*rule.works_with, *rule.harmless_with):
            check_options(recipe)
        else:
            with pytest.raises(ValueError, match=f"^{words}.* (is for|has no effect)"):
                check_options(recipe)
    assert len(caught) == (case in rule.harmless_with)
    assert all(rule.option in str(item.message) and rule.selector in str(item.message) for item in caught)


@pytest.mark.parametrize("name", list_recipes())
def test_no_recipe_of_the_package_has_an_option_without_effect(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_options(load_recipe(name))


def test_the_table_names_options_and_values_that_exist() -> None:
    for rule in RULES:
        assert set(rule.works_with) | set(rule.harmless_with) <= set(cases_of(rule.selector))
        assert not set(rule.works_with) & set(rule.harmless_with)
        default_of(rule.option)
    fields = {f"{section}.{field.name}" for section, kind in SECTIONS.items() for field in dataclasses.fields(kind)}
    assert {rule.option.split("[")[0] for rule in RULES} | {rule.selector for rule in RULES} <= fields


def test_sentences_name_the_option_the_choice_and_the_way_out() -> None:
    with pytest.raises(ValueError, match=r"^optim.per_epoch is for optim.schedule cosine or steps, not for onecycle;"):
        check_options(recipe_with({"optim.per_epoch": True}))
    with pytest.raises(
        ValueError, match=r"^drop_path.mode has no effect without drop_path.rate; leave it at standard,"
    ):
        check_options(recipe_with({"drop_path.mode": "late", "drop_path.cutoff_epochs": 1}))
    with pytest.warns(UserWarning, match=r"^drop_path.rate has no effect while trainer.eval_mode is true;"):
        check_options(recipe_with({"drop_path.rate": 0.2, "trainer.eval_mode": True}))
    with pytest.raises(ValueError, match=r"^trainer.precision 16 is for trainer.device cuda or mps, not for cpu;"):
        check_options(recipe_with({"trainer.precision": "16", "trainer.device": "cpu"}))


def test_auto_is_the_device_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = recipe_with({"trainer.precision": "16"})
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    with pytest.raises(ValueError, match="not for cpu"):
        check_options(recipe)
    for name in ("torch.backends.mps.is_available", "torch.cuda.is_available"):
        monkeypatch.setattr(name, lambda: True)
        check_options(recipe)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"optim.schedule": "steps", "optim.step_epochs": 0}, "must be positive, got 0.0 and 0.1"),
        ({"optim.schedule": "steps", "optim.step_factor": -1.0}, "must be positive, got 30.0 and -1.0"),
    ],
)
def test_lengths_and_factors_out_of_range_are_refused(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check_options(recipe_with(settings))


def test_weights_of_a_metric_that_the_task_does_not_have(tmp_path: Path) -> None:
    recipe = recipe_with({})
    recipe.evaluation.lpips_weights = str(tmp_path / "alexnet.pth")
    with pytest.raises(ValueError, match=r"^evaluation.lpips_weights: no file .*alexnet.pth\.$"):
        check_evaluation(recipe, VIDEO_METRICS)
    (tmp_path / "alexnet.pth").touch()
    with pytest.warns(UserWarning, match=r"^evaluation.lpips_weights has no effect for video_prediction, which has no"):
        check_evaluation(recipe, CLASSIFICATION_METRICS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_evaluation(recipe, VIDEO_METRICS)
        check_evaluation(recipe_with({}), CLASSIFICATION_METRICS)


def test_two_reasons_for_one_option_make_one_warning() -> None:
    with pytest.warns(UserWarning, match="warmup_lr is for optim.schedule") as caught:
        check_options(recipe_with({"optim.warmup_lr": 1e-4}))
    assert len(caught) == 1


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"optim.schedule": "cosine", "optim.warmup_epochs": 5.0}, "warmup_epochs is 5 and .* all of it is warm-up"),
        ({"optim.schedule": "steps", "optim.step_epochs": 9.0}, "step_epochs is 9 and .* the rate never falls"),
        (
            {"drop_path.rate": 0.1, "drop_path.mode": "late", "drop_path.cutoff_epochs": 7},
            "cutoff_epochs is 7 and .* mode late never switches",
        ),
        ({"trainer.early_stop": 5}, "early_stop is 5 and .* too few validations"),
        ({"trainer.val_every_epochs": 6}, "val_every_epochs is 6 and .* the last weights count as the best"),
    ],
)
def test_lengths_beyond_the_end_of_a_run_are_warned_about(settings: dict[str, object], words: str) -> None:
    with pytest.warns(UserWarning, match=words) as caught:
        check_options(recipe_with({**settings, "trainer.epochs": 5}))
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_options(recipe_with({**settings, "trainer.epochs": 50}))


def test_counts_below_one_are_refused(tiny):
    for name in ("epochs", "accumulate", "val_every_epochs", "early_stop", "checkpoint_every_steps", "log_every_steps"):
        with pytest.raises(ValueError, match=rf"trainer.{name} must be at least 1, got 0"):
            check_options(tiny(trainer={name: 0}))


def test_a_setting_that_every_stage_has_of_its_own_is_refused() -> None:
    stages = [
        {"name": "first", "settings": {"trainer": {"epochs": 1}, "data": {"args": {"num_train": 8}}}},
        {"name": "second", "settings": {"trainer": {"epochs": 2}, "data": {"args": {"num_train": 9}}}},
    ]
    before = build_recipe(merge(MINIMAL, {"stages": stages, "data": {"args": {"num_train": 7, "num_val": 7}}}))

    def changed(**settings: object) -> RecipeConfig:
        return build_recipe(merge(dataclasses.asdict(before), settings))

    for settings, words in (
        ({"trainer": {"epochs": 5}}, "trainer.epochs is 5, but every stage has its own; .* in the stages of it"),
        ({"data": {"args": {"num_val": 8, "num_train": 30}}}, "data.args.num_train is 30, but every stage has its own"),
    ):
        with pytest.raises(ValueError, match=words):
            check_changes(before, changed(**settings), "it")
    for settings in (
        {"trainer": {"device": "cpu"}, "data": {"args": {"num_val": 8, "num_test": 8}}},
        {"trainer": {"epochs": 5}, "stages": []},
        {"trainer": {"epochs": 5}, "stages": [stages[0], {"name": "second"}]},
        {"optim": {"lr_factors": {"head": 2.0}}},
    ):
        check_changes(before, changed(**settings), "it")
    # A model of another name has arguments of its own.
    renamed = [{"name": "only", "settings": {"model": {"name": "simvp_gsta"}}}]
    before = build_recipe(merge(MINIMAL, {"stages": renamed}))
    with pytest.raises(ValueError, match=r"model.args.mlp_ratio is 2, but every stage"):
        check_changes(before, changed(model={"args": {"mlp_ratio": 2}}), "it")


def test_sizes_of_the_evaluation_out_of_range_are_refused(tiny):
    for changes, words in (
        ({"num_samples": -1}, r"evaluation.num_samples must not be negative, got -1"),
        ({"batch_size": 0}, r"evaluation.batch_size must be at least 1, got 0"),
        ({"bound_samples": 0}, r"evaluation.bound_samples must be at least 1, got 0"),
    ):
        with pytest.raises(ValueError, match=words):
            check_evaluation(tiny(evaluation=changes), ())
    with pytest.warns(UserWarning, match=r"^evaluation.bound_samples has no effect for video_prediction, which bounds"):
        check_evaluation(tiny(evaluation={"bound_samples": 64}), ())
