"""Networks from the Hub: which commit, what is cached, and what is refused."""

import json
from pathlib import Path

import pytest
import torch

import subband
from subband.hub_client import HubName
from subband.models.model_folder import fetch_model_folder

REPOSITORY = "me/pets"


def weights_equal(first: torch.nn.Module, second: torch.nn.Module) -> bool:
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    return all(torch.equal(*pair) for pair in pairs)


def test_a_network_comes_with_all_that_is_stored(hub, files, model, capsys):
    commit = hub.put(REPOSITORY, files | {"pytorch_model.bin": b"\x80\x02cos\nsystem\n"})
    loaded = subband.from_pretrained(REPOSITORY)
    assert weights_equal(loaded, model)
    assert not loaded.training
    assert loaded.model_config["name"] == "gfnet_ti"
    assert loaded.metadata == {"license": "mit", "hub": {"repository": REPOSITORY, "commit": commit}}
    assert not [path for path in hub.asked if path.endswith("pytorch_model.bin")]  # never touched
    assert f"of hf:{REPOSITORY}@{commit}" in capsys.readouterr().err


@pytest.mark.parametrize("source", [f"hf:{REPOSITORY}", Path(f"hf:{REPOSITORY}")])
def test_load_model_takes_the_marked_name(hub, files, source):
    hub.put(REPOSITORY, files)
    assert subband.load_model(source).metadata["hub"]["repository"] == REPOSITORY
    with pytest.raises(FileNotFoundError, match=r"no model at me/pets: .* or hf:user/name for a repository"):
        subband.load_model(REPOSITORY)  # nothing is fetched unless it is asked for


def test_a_revision_is_kept_to(hub, files):
    first = hub.put(REPOSITORY, files)
    card = json.loads(files["config.json"])
    second = hub.put(REPOSITORY, {"config.json": json.dumps(card | {"metadata": {"v": 2}}).encode()})
    hub.repositories[REPOSITORY].refs["v1"] = first
    assert subband.from_pretrained(REPOSITORY).metadata["hub"]["commit"] == second
    for source, revision in ((REPOSITORY, "v1"), (REPOSITORY, first), (f"hf:{REPOSITORY}@v1", None)):
        assert subband.from_pretrained(source, revision=revision).metadata["hub"]["commit"] == first
    hub.asked.clear()
    assert subband.load_model(f"hf:{REPOSITORY}@{first}").metadata["license"] == "mit"
    assert not hub.asked  # a commit never changes


def test_a_folder_of_that_name_goes_first(hub, model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    subband.save_model(model, REPOSITORY)
    assert "hub" not in subband.from_pretrained(REPOSITORY).metadata
    assert "hub" not in subband.from_pretrained("gfnet_digits").metadata
    assert not hub.asked
    with pytest.raises(ValueError, match="are for repositories of the Hub, but me/pets is none"):
        subband.from_pretrained(REPOSITORY, revision="v1")


@pytest.mark.parametrize("variable", ["HF_HUB_OFFLINE", "SUBBAND_OFFLINE", ""])
def test_offline(hub, files, tmp_path, monkeypatch, variable):
    commit = hub.put(REPOSITORY, files)
    if variable:
        monkeypatch.setenv(variable, "1")
    options = {} if variable else {"local_files_only": True}
    words = f"{variable or 'local_files_only'} forbids the network; nothing of it is cached in {tmp_path / 'hub_cache'}"
    with pytest.raises(FileNotFoundError, match=words):
        subband.from_pretrained(REPOSITORY, **options)
    assert not hub.asked
    monkeypatch.delenv(variable, raising=False) if variable else None
    subband.from_pretrained(REPOSITORY)
    if variable:
        monkeypatch.setenv(variable, "1")
    hub.asked.clear()
    assert subband.from_pretrained(REPOSITORY, **options).metadata["hub"]["commit"] == commit
    with pytest.raises(FileNotFoundError, match=rf"of it {commit} \(main\) with config.json, model.safetensors"):
        subband.from_pretrained(REPOSITORY, revision="v2", **options)
    assert not hub.asked


@pytest.mark.parametrize("status", [503, 429])
def test_a_hub_that_does_not_answer(hub, files, status):
    commit = hub.put(REPOSITORY, files)
    hub.refusal = status
    with pytest.raises(ConnectionError, match="the Hub gave nothing of hf:me/pets"):
        subband.from_pretrained(REPOSITORY)
    hub.refusal = 0
    subband.from_pretrained(REPOSITORY)
    hub.refusal = status
    with pytest.warns(UserWarning, match=f"the cached commit {commit} is used"):
        assert subband.from_pretrained(REPOSITORY).metadata["hub"]["commit"] == commit


def test_no_network_at_all(hub, files):
    hub.put(REPOSITORY, files)
    hub.shutdown()
    hub.server_close()
    with pytest.raises(ConnectionError, match="the Hub gave nothing of hf:me/pets"):
        subband.from_pretrained(REPOSITORY)


def test_closed_repositories(hub, files, monkeypatch):
    hub.put(REPOSITORY, files)
    hub.repositories[REPOSITORY].private = True
    assert subband.from_pretrained(REPOSITORY).metadata["license"] == "mit"
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(FileNotFoundError, match="or it is private; if it is yours, log in with `hf auth login`"):
        subband.from_pretrained(REPOSITORY, revision="main")
    hub.repositories[REPOSITORY].private, hub.repositories[REPOSITORY].gated = False, True
    with pytest.raises(PermissionError, match="me/pets is gated: accept its terms"):
        subband.from_pretrained(REPOSITORY)
    hub.refusal = 403
    with pytest.raises(PermissionError, match=r"the Hub refuses hf:me/pets \(403\): the token does not allow it"):
        subband.from_pretrained(REPOSITORY)


def test_what_is_not_there(hub, files):
    hub.put(REPOSITORY, files)
    with pytest.raises(FileNotFoundError, match="the Hub has no repository me/cats, or it is closed to the user"):
        subband.from_pretrained("me/cats")
    with pytest.raises(FileNotFoundError, match="me/pets has no revision v9 on the Hub"):
        subband.from_pretrained(REPOSITORY, revision="v9")
    with pytest.raises(ValueError, match="revision v1 is given beside the one in hf:me/pets@v2"):
        subband.from_pretrained("me/pets@v2", revision="v1")


@pytest.mark.parametrize("text", ["hf:pets", "hf:", "hf:a/b/c", "hf:me/pets@", "hf:../pets", "hf:me/pe ts"])
def test_names_that_are_none(hub, text):
    with pytest.raises(ValueError, match="names no repository of the Hub; write hf:user/name"):
        subband.load_model(text)
    assert not hub.asked


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"pytorch_model.bin": b"\x80\x02cos\nsystem\n"}, r"a Python pickle \(pytorch_model.bin\), which can run code"),
        ({"a.pth": b"", "b.ckpt": b"", "README.md": b""}, r"a Python pickle \(a.pth and 1 more\)"),
        ({"README.md": b"#", "tensor.npz": b""}, "not made by `subband push`; it holds README.md, tensor.npz"),
        ({"model_index.json": b"{}"}, r'diffusers.DiffusionPipeline.from_pretrained\("me/pets"\) loads it'),
        ({"config.json": b'{"architecture": "x", "pretrained_cfg": {}}'}, r'timm, .*"hf-hub:me/pets", pretrained=True'),
        ({"config.json": b'{"_class_name": "UNet2DModel"}'}, r'diffusers.AutoModel.from_pretrained\("me/pets"\)'),
        ({"config.json": b'{"model_type": "vit"}'}, r'of transformers, .*AutoModel.from_pretrained\("me/pets"\)'),
        ({"config.json": b'{"hidden": 3}'}, "config.json lacks .* it was not written by subband"),
        ({"config.json": b"[1"}, "config.json is not valid JSON"),
    ],
)
def test_repositories_without_our_files(hub, given, words):
    hub.put(REPOSITORY, given | {"model.safetensors": b"never read"} if "config.json" in given else given)
    with pytest.raises(ValueError, match=words) as error:
        subband.from_pretrained(REPOSITORY)
    assert "\n" not in str(error.value)
    assert {path.rpartition("/")[2] for path in hub.asked if "/resolve/" in path} == {"config.json"}


def test_our_config_beside_a_pickle_alone(hub, files):
    hub.put(REPOSITORY, {"config.json": files["config.json"], "model.pth": b"\x80\x02cos\nsystem\n"})
    with pytest.raises(
        ValueError, match=r"has no file model.safetensors: its weights are a Python pickle \(model.pth\)"
    ):
        subband.from_pretrained(REPOSITORY)
    assert not [path for path in hub.asked if path.endswith("model.pth")]


def test_damaged_weights(hub, files):
    hub.put(REPOSITORY, files)
    hub.damage = True
    with pytest.raises(ValueError, match=r"model.safetensors of hf:me/pets@.* came damaged: its SHA-256 is"):
        subband.from_pretrained(REPOSITORY)
    hub.damage = False
    assert subband.from_pretrained(REPOSITORY).metadata["license"] == "mit"  # nothing of it was kept
    hub.put(REPOSITORY, {"model.safetensors": files["model.safetensors"][:100]})
    with pytest.raises(ValueError, match=r"model.safetensors cannot be read as safetensors"):
        subband.from_pretrained(REPOSITORY)


def test_the_folder_is_that_of_the_commit(hub, files):
    commit = hub.put(REPOSITORY, files)
    folder = fetch_model_folder(HubName(REPOSITORY))
    assert folder.name == commit
    assert {path.name for path in folder.iterdir()} == set(files)


def test_a_connection_that_ends_in_the_middle(hub, files, monkeypatch):
    hub.put(REPOSITORY, files)
    hub.cut = True
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda seconds: None)
    with pytest.raises(ConnectionError, match="the Hub gave nothing of hf:me/pets@"):
        subband.from_pretrained(REPOSITORY)
    hub.cut, hub.refusal = False, 0
    loaded = subband.from_pretrained(REPOSITORY)
    assert loaded.metadata["license"] == "mit"  # whole, with nothing of the first half


def test_a_connection_that_drops_is_gone_on_with(hub, files, monkeypatch):
    hub.put(REPOSITORY, files)
    hub.drops = 1
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda seconds: None)
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 100)  # what came in whole chunks is kept
    assert subband.from_pretrained(REPOSITORY).metadata["license"] == "mit"
    half = len(files["model.safetensors"]) // 2
    assert hub.ranges == [f"bytes={half - half % 100}-"]
