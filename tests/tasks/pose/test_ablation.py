"""Every entry of the ablation differs from the others in one thing, and is scored by the same people."""

from subband.config import load_recipe, stage_recipes
from subband.models.registry import create_model
from subband.tasks.pose.ablation import TEACHER, first_entries, student_entries
from subband.tasks.pose.losses import DISTILLATION


def recipes_of(entries):
    return {entry.label: load_recipe(entry.recipe, entry.changes) for entry in entries}


def test_entries_are_single_stages_on_the_same_test_people(tmp_path):
    changes = {"seed": 7, "trainer": {"device": "cpu"}}
    entries = first_entries(None, changes) + student_entries(tmp_path, None, changes)
    assert len({entry.name for entry in entries}) == len({entry.label for entry in entries}) == 9
    for label, recipe in recipes_of(entries).items():
        assert len(stage_recipes(recipe)) == 1, label
        assert (recipe.seed, recipe.trainer.device) == (7, "cpu")
        assert (recipe.data.args["num_test"], recipe.data.args["scored_frames"]) == (200, 3)
        assert recipe.model.weights is None  # all start from nothing
        assert recipe.data.args.get("still", False) == (label == "one frame repeated")


def test_students_differ_in_what_they_are_told(tmp_path):
    told = {
        label: (recipe.model.teacher, [term.name for term in recipe.loss if term.name in DISTILLATION])
        for label, recipe in recipes_of(first_entries(None, {}) + student_entries(tmp_path, None, {})).items()
    }
    assert told.pop(TEACHER) == told.pop("no distillation") == told.pop("single frames") == (None, [])
    assert told.pop("one frame repeated") == (None, [])
    assert {teacher for teacher, _ in told.values()} == {str(tmp_path)}
    assert sorted(names for _, names in told.values()) == [
        ["distill_ba"],
        ["distill_ba", "distill_vsd"],
        ["distill_infonce"],
        ["distill_l2"],
        ["distill_vsd"],
    ]


def test_the_teacher_alone_sees_motion_and_lengths_can_be_chosen(tmp_path):
    for label, recipe in recipes_of(first_entries(2, {}) + student_entries(tmp_path, 2, {})).items():
        model = create_model(recipe.model.name)
        assert (getattr(model, "motion", None) is not None) == (label == TEACHER)
        assert recipe.trainer.epochs == 2
