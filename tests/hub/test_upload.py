"""Networks to the Hub: what is uploaded, what is asked first, and that nothing is half done."""

import copy
import json
import pickle

import pytest
import torch

import subband
from subband.hub import write_repository
from subband.models.registry import catalog
from subband.models.shareable import Shareable

FILES = ["README.md", "config.json", "model.safetensors"]
REPOSITORY = "me/pets"


def newest(hub, name=REPOSITORY, branch="main"):
    repository = hub.repositories[name]
    return repository.commits[repository.refs[branch]]


def test_there_and_back(hub, model, capsys):
    name = model.push_to_hub(REPOSITORY, license="apache-2.0")
    files = newest(hub)
    assert sorted(files) == FILES
    commit = hub.repositories[REPOSITORY].refs["main"]
    assert name == f"hf:{REPOSITORY}@{commit}"
    said = capsys.readouterr().err
    assert "cut to their last part in what is shared: /home/me/secret/pets, /home/me/recipe.yaml" in said
    assert b"/home/me" not in b"".join(files.values())
    loaded = subband.from_pretrained(REPOSITORY)
    pairs = zip(loaded.state_dict().values(), model.state_dict().values(), strict=True)
    assert all(torch.equal(*pair) for pair in pairs)
    facts = loaded.metadata
    assert facts.pop("hub") == {"repository": REPOSITORY, "commit": commit}
    assert facts.pop("license") == "apache-2.0"
    assert facts["recipe"] == model.metadata["recipe"].replace("/home/me/secret/", "")
    assert {key: value for key, value in facts.items() if key not in ("recipe", "environment")} == {
        key: value for key, value in model.metadata.items() if key not in ("recipe", "environment")
    }
    assert not hub.repositories[REPOSITORY].private
    # What came from the Hub knows its licence, and where it came from is not what it says of itself elsewhere.
    loaded = subband.load_model(name)
    loaded.push_to_hub("me/copy")
    assert "hub" not in json.loads(newest(hub, "me/copy")["config.json"])["metadata"]


def test_a_run_is_uploaded_as_it_was_stored(hub, model, tmp_path):
    run = tmp_path / "run"
    own = subband.save_model(model, run / "model", metadata={"license": "mit", "scores": {"top1": 0.5}})
    card = json.loads((own / "config.json").read_text()) | {"subband_version": "0.1.7"}
    (own / "config.json").write_text(json.dumps(card))
    (run / "config.yaml").write_text("task: classification\n")
    rows = [{"name": "run", "metrics": {"top1": 0.5}}, {"name": "chance", "metrics": {"top1": 0.25}}]
    (run / "scores.json").write_text(json.dumps({"data": {"name": "pets", "num_test": 8}, "rows": rows}))
    subband.push_to_hub(run, REPOSITORY, private=True, message="First")
    files = newest(hub)
    assert json.loads(files["config.json"]) == card
    assert files["model.safetensors"] == (own / "model.safetensors").read_bytes()
    assert "| Top-1 % | 50.00 | 25.00 | higher |" in files["README.md"].decode()
    assert "Test set: name: pets; num_test: 8." in files["README.md"].decode()
    assert hub.repositories[REPOSITORY].private
    (run / "scores.json").write_text("{}")
    with pytest.warns(UserWarning, match="scores.json cannot be read; the model card goes without it"):
        write_repository(run, REPOSITORY, tmp_path / "out")


def test_what_is_there_is_not_replaced_unasked(hub, model, tmp_path):
    first = model.push_to_hub(REPOSITORY, license="mit").partition("@")[2]
    with pytest.raises(FileExistsError, match=r"me/pets already holds README.md, config.json, model.safetensors; over"):
        model.push_to_hub(REPOSITORY, license="mit")
    with pytest.raises(FileExistsError, match="me/pets is there and public; make it private in its settings"):
        model.push_to_hub(REPOSITORY, license="mit", private=True)
    assert hub.repositories[REPOSITORY].refs["main"] == first
    model.push_to_hub(REPOSITORY, license="cc0-1.0", overwrite=True, revision="next")
    assert hub.repositories[REPOSITORY].refs["main"] == first
    assert b"license: cc0-1.0" in newest(hub, branch="next")["README.md"]
    model.push_to_hub(REPOSITORY, license="cc-by-4.0", overwrite=True)
    assert hub.repositories[REPOSITORY].refs["main"] != first
    assert first in hub.repositories[REPOSITORY].commits  # the history keeps it


def test_refusals_come_before_the_hub_is_asked(hub, model, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="under which licence may others use the weights"):
        model.push_to_hub(REPOSITORY)
    with pytest.raises(ValueError, match="names a revision; give the branch by itself"):
        model.push_to_hub(f"{REPOSITORY}@main", license="mit")
    with pytest.raises(ValueError, match="'pets' names no repository of the Hub"):
        model.push_to_hub("pets", license="mit")
    with pytest.raises(ValueError, match="model has no model_config"):
        subband.push_to_hub(torch.nn.Linear(1, 1), REPOSITORY, license="mit")
    with pytest.raises(FileNotFoundError, match="no model at"):
        subband.push_to_hub(tmp_path / "nothing", REPOSITORY, license="mit")
    with pytest.raises(ValueError, match="metadata is for a network"):
        subband.push_to_hub("gfnet_digits", REPOSITORY, license="mit", metadata={})
    monkeypatch.setenv("SUBBAND_OFFLINE", "1")
    with pytest.raises(ConnectionError, match="SUBBAND_OFFLINE forbids the network; --dry-run needs none"):
        model.push_to_hub(REPOSITORY, license="mit")
    monkeypatch.delenv("SUBBAND_OFFLINE")
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(PermissionError, match="without a token; log in with `hf auth login`, or set HF_TOKEN"):
        model.push_to_hub(REPOSITORY, license="mit")
    assert not hub.asked


def test_a_damaged_model_is_not_shared(hub, files, tmp_path):
    (tmp_path / "config.json").write_bytes(files["config.json"])
    (tmp_path / "model.safetensors").write_bytes(files["model.safetensors"][:-8])
    with pytest.raises(ValueError, match=r"model.safetensors cannot be read"):
        subband.push_to_hub(tmp_path, REPOSITORY)
    assert not hub.asked


@pytest.mark.parametrize(("status", "words"), [(403, "the token does not allow it"), (503, "the Hub gave nothing")])
def test_a_hub_that_refuses(hub, model, status, words):
    hub.refusal = status
    with pytest.raises(OSError, match=words):
        model.push_to_hub(REPOSITORY, license="mit")
    assert not hub.repositories


def test_facts_can_be_given(hub, model, tmp_path):
    folder = write_repository(model, REPOSITORY, tmp_path / "out", license="mit", metadata={"limits": "None known."})
    assert sorted(path.name for path in folder.iterdir()) == FILES
    assert json.loads((folder / "config.json").read_text())["metadata"] == {"limits": "None known.", "license": "mit"}
    with pytest.raises(FileExistsError, match="out is not empty"):
        write_repository(model, REPOSITORY, folder, license="mit")
    assert not hub.asked


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("--data.args.path /home/me/a/b.yaml --out x", "--data.args.path b.yaml --out x"),
        ("path: '~/data/pets'", "path: 'pets'"),
        (r"C:\Users\me\pets", "pets"),
        ("runs/wast and hf:a/b, https://host/a/b, 1/2, /x", "runs/wast and hf:a/b, https://host/a/b, 1/2, /x"),
    ],
)
def test_paths_are_cut(model, tmp_path, text, cut):
    folder = write_repository(model, REPOSITORY, tmp_path / "out", license="mit", metadata={"note": [text]})
    assert json.loads((folder / "config.json").read_text())["metadata"]["note"] == [cut]


def test_every_network_can_be_pushed():
    assert all(issubclass(spec.builder, Shareable) for spec in catalog().values())


def test_networks_are_copied_and_pickled_as_before(model):
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert twin.model_config == model.model_config
        assert callable(twin.push_to_hub)
