"""What the model card says, and that it says nothing else."""

import math

import pytest
import yaml
from huggingface_hub import ModelCard

import subband
from subband.hub.licences import licence_fields
from subband.hub.model_card import Evaluated, model_card
from subband.hub.tasks_on_hub import TASKS_ON_HUB
from subband.models.model_folder import BUNDLED_FOLDER, bundled_models, read_card
from subband.models.registry import catalog
from subband.tasks import TASKS, task_class


def card_of(model, metadata=None, **options):
    card = {"name": "gfnet_ti", "args": model.model_config["args"], "subband_version": "0.2.0"}
    card["metadata"] = model.metadata if metadata is None else metadata
    return model_card(model, card, "me/pets", "apache-2.0", **options)


def section(text, head):
    return text.partition(f"## {head}\n\n")[2].partition("\n## ")[0]


def test_the_hub_reads_the_front_matter(model):
    text = card_of(model)
    front = yaml.safe_load(text.split("---\n")[1])
    assert front["license"] == "apache-2.0"
    assert (front["library_name"], front["pipeline_tag"]) == ("subband", "image-classification")
    assert front["tags"] == ["subband", "classification", "gfnet_ti", "pytorch"]
    assert front["base_model"] == "them/start"
    (result,) = ModelCard(text).data.eval_results  # as the Hub's own client reads them
    assert (result.metric_type, result.metric_name, result.metric_value) == ("top1", "Top-1 %", 87.5)
    assert (result.dataset_name, result.task_type) == ("class_folders", "image-classification")


def test_the_sections_say_what_is_stored(model):
    text = card_of(model)
    assert 'model = subband.from_pretrained("me/pets")' in text
    assert "subband classify photo.jpg --model hf:me/pets\n" in text
    assert "Rao et al." in text.partition("## ")[0]  # of the architecture's authors
    network = section(text, "What it is")
    count = sum(parameter.numel() for parameter in model.parameters())
    assert f"{count:,} parameters" in network
    assert "3 classes: cat, dog \\| wolf, &lt;b>." in network
    assert section(text, "Training data").strip() == "- `class_folders` of subband with img_size 8."
    training = section(text, "Training")
    assert "adamw, learning rate 0.002, schedule cosine; 2 epochs, batches of 4; loss 1.0 x cross_entropy." in training
    assert "- Started from hf:them/start@v1." in training
    assert "- train seconds: unknown" in training
    scores = section(text, "Scores")
    assert (
        "| metric | this network | chance | better |\n|---|---|---|---|\n| Top-1 % | 87.50 | 33.33 | higher |" in scores
    )
    assert "| Cross-entropy | - | - | lower |" in scores
    assert "| other | 2.5 | - | unknown |" in scores
    assert "- Test set: images: 8 photos." in scores
    assert "- Seed: 3; one run, so how much other seeds differ is unknown." in scores
    assert "- Top-1 %: share of the test images whose most likely class is the right one." in scores
    assert "- More stands in `config.json`: rows." in scores
    limits = section(text, "What it cannot do")
    assert "whatever the image shows" in limits
    assert "Other limits are unknown" in limits
    assert "- date: 2026-12-01" in section(text, "Measured with")


def test_what_is_not_stored_is_unknown(model):
    text = card_of(model, {})
    assert "model-index" not in text
    for head in ("Training data", "Training", "Scores"):
        assert section(text, head).startswith("Unknown: ")
    assert section(text, "Measured with").strip() == "Unknown."
    assert "Their training data: not stored with the weights." in section(text, "Licence")
    assert "nothing is known" not in section(text, "What it cannot do")
    assert "base_model" not in text


def test_scores_that_are_no_numbers_are_not_given_to_the_hub(model):
    text = card_of(model, {**model.metadata, "scores": {"top1": math.nan, "cross_entropy": math.inf}})
    assert "model-index" not in text
    assert "| Top-1 % | not a number |" in text


def test_limits_and_a_run_are_said(model):
    metadata = {**model.metadata, "limits": ["Fails at night."], "data": {"name": "Pets", "license": "CC BY 4.0"}}
    evaluated = Evaluated({"name": "class_folders", "num_test": 40, "nested": {}}, {"half": {"top1": 0.5}})
    text = card_of(model, metadata, evaluated=evaluated)
    assert section(text, "What it cannot do").startswith("- Fails at night.\n")
    assert "unknown" not in section(text, "What it cannot do")
    assert "| Top-1 % | 87.50 | 33.33 | 50.00 | higher |" in text
    assert "- Test set: name: class_folders; num_test: 40; images: 8 photos." in text
    assert "Their training data: CC BY 4.0." in text


def test_weights_of_others(model):
    text = card_of(model, {"source": "published layout", "converted_from": "gfnet.pth"})
    assert section(text, "Training data").strip() == "- Weights of other authors, from their file gfnet.pth."


@pytest.mark.parametrize("name", bundled_models())
def test_bundled_networks_have_a_card(name):
    card = read_card(BUNDLED_FOLDER / name)
    model = subband.load_model(name)
    text = model_card(model, card, f"me/{name}", "mit")
    assert ModelCard(text).data.eval_results
    command = "upscale" if getattr(model, "scale", 1) != 1 else TASKS_ON_HUB[card["task"]].command.split()[0]
    assert f"subband {command} " in text
    assert "None" not in text


def test_every_task_is_known():
    assert set(TASKS_ON_HUB) == {spec.task for spec in catalog().values()} == set(TASKS)
    for name, task in TASKS_ON_HUB.items():
        assert task.metrics == task_class(name).metrics


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        ("MIT", {"license": "mit"}),
        ("CC-BY-NC-SA-4.0", {"license": "cc-by-nc-sa-4.0"}),
        ("cc-by-5.0", {"license": "other", "license_name": "cc-by-5.0"}),
        ("Free for research!", {"license": "other", "license_name": "free-for-research"}),
    ],
)
def test_licences(given, fields):
    assert licence_fields(given) == fields
    with pytest.raises(ValueError, match="a licence must have a name"):
        licence_fields(" ")
