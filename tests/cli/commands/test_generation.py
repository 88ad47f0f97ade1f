"""The commands around image generation, with tiny networks: what they write, and what they say of bad input."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from subband import create_model, load_model
from subband.cli.commands import fit_prior
from subband.cli.main import main
from subband.config import build_recipe
from subband.media.images import read_image, write_image
from subband.models.checkpoint import save_model
from subband.models.generation.priors import PRIORS
from subband.training.loop import train

SIZES: dict[str, Any] = {"img_size": 16, "levels": 2, "widths": (8, 8, 16), "blocks": 1, "encoder": "residual"}
SIZES |= {"refine_width": 8, "refine_blocks": 1, "prior_width": 8, "prior_blocks": 1}
DIFFUSION = {"img_size": 16, "base_dims": (32,), "multipliers": ((1,),), "attention": ((),)}
SMOOTH = torch.from_numpy(data.astronaut()[100:137, 200:253].copy()).permute(2, 0, 1) / 255  # 37 x 53


def network(folder: Path, name: str = "wavelet_vae_s", **options: Any) -> str:
    """A stored network whose weights are anything but zero."""
    torch.manual_seed(0)
    model = create_model(name, **(SIZES if name == "wavelet_vae_s" else {}) | options)
    if options.get("mode") == "elbo" or name == "wavelet_diffusion":
        model.calibrate([torch.rand(64, model.in_chans, 16, 16) * 2 - 1])
    with torch.no_grad():
        for value in model.parameters():
            if not value.any():
                value.normal_(std=0.02)
    save_model(model, folder)
    return str(folder)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_image(Path("a.png"), SMOOTH)
    write_image(Path("b.png"), SMOOTH.flip(-1))
    return tmp_path


@pytest.fixture
def elbo(here) -> str:
    return network(here / "elbo", mode="elbo")


def refused(capsys, *words: str) -> str:
    assert main(list(words)) == 2
    error = capsys.readouterr().err
    assert error.startswith("subband: error: ")
    assert error.count("\n") == 1, error
    return error.removeprefix("subband: error: ").rstrip("\n")


def test_generate_writes_a_grid_and_single_images(elbo, capsys):
    words = ["generate", "--model", elbo, "--num", "5", "--columns", "5"]
    assert main([*words, "--out", "one"]) == 0
    assert sorted(path.name for path in Path("one").iterdir()) == [
        "grid.png",
        *(f"image_00{number}.png" for number in range(1, 6)),
    ]
    assert read_image("one/grid.png").pixels.shape == (3, 16, 5 * 18 - 2)
    assert "5 images of 16 x 16 pixels" in capsys.readouterr().out
    variants = ([], ["--seed", "1"], ["--temperature", "0.1"])
    grids = []
    for number, options in enumerate(variants):
        assert main([*words, *options, "--out", str(number)]) == 0
        grids.append((Path(str(number)) / "grid.png").read_bytes())
    assert grids[0] == Path("one/grid.png").read_bytes()
    assert len(set(grids)) == len(variants)
    assert "one exists already" in refused(capsys, *words, "--out", "one")
    assert main([*words, "--out", "one", "--overwrite"]) == 0


def test_a_diffusion_has_steps_and_a_sampler_and_no_temperature(here, elbo, capsys):
    model = network(here / "diffusion", "wavelet_diffusion", **DIFFUSION)
    words = ["generate", "--model", model, "--num", "2"]
    grids = []
    for number, options in enumerate([["--steps", "2"], ["--steps", "3"], ["--steps", "2", "--sampler", "ddpm"]]):
        assert main([*words, *options, "--out", str(number)]) == 0
        grids.append((Path(str(number)) / "grid.png").read_bytes())
    assert len(set(grids)) == 3
    assert refused(capsys, *words, "--temperature", "0.5") == "WaveletDiffusion has no temperature; leave it at 1."
    assert "sampler must be one of ddim, ddpm" in refused(capsys, *words, "--sampler", "euler")
    assert "steps" in refused(capsys, "generate", "--model", elbo, "--steps", "3", "--out", "x")


def test_generate_says_what_to_do_without_the_bundled_network(here, capsys, monkeypatch):
    monkeypatch.setattr("subband.cli.commands.generate.BUNDLED", "no_such_network")
    monkeypatch.setattr("subband.cli.commands.generate.bundled_models", lambda: [])
    error = refused(capsys, "generate", "--model", "no_such_network")
    assert error.startswith("the network no_such_network is not part of this installation; train one with `subband ")
    assert "--model runs/digits" in error


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("generate", "--num", "0"), "--num must be at least 1, got 0"),
        (("generate", "--columns", "0"), "--columns must be at least 1, got 0"),
        (("generate", "--out", "a.png", "--overwrite"), "--out a.png is a file"),
        (("generate", "--model", "wavelet_vae_s"), "wavelet_vae_s alone has fresh weights, which know nothing"),
        (("generate", "--model", "wast_photos"), "wast_photos is for video prediction, not for image generation"),
        (("generate", "--model", "nowhere"), "no model at nowhere"),
        (("reconstruct", "a.png"), "--model is needed"),
        (
            ("latent", "a.png", "--model", "gfnet_digits"),
            "gfnet_digits is for classification, not for image generation",
        ),
        (("latent", "a.png", "--wavelet", "dbx"), "dbx"),
        (("latent", "a.png", "--levels", "0"), "--levels must be at least 1, got 0"),
        (("interpolate", "a.png", "b.png", "--num", "1"), "--num must be at least 2, got 1"),
        (("edit", "a.png"), "one of --smooth-background, --gain, --threshold, --copy is needed"),
        (("edit", "a.png", "--gain", "level=1:1", "--threshold", "level=1:1"), "and no more than one"),
        (("edit", "a.png", "--gain", "1:0.5"), "--gain takes items such as level=1:0.5 or level=1:hh:0.5"),
        (("edit", "a.png", "--gain", "level=1"), "--gain takes items such as level=1:0.5"),
        (("edit", "a.png", "--gain", "level=1:1e"), "--gain: '1e' is not a number"),
        (("edit", "a.png", "--gain", "level=9:0.5"), "level must lie within 1 and 3, got 9"),
        (("edit", "a.png", "--gain", "level=1:dd:0.5"), "orientation must be one of lh, hl, hh, got 'dd'"),
        (("edit", "a.png", "--copy", "level=1"), "--copy needs --copy-from"),
        (("edit", ".", "--gain", "level=1:0.5"), ". is a folder; a mask is of one photograph"),
        (("fit-prior", "nowhere"), "nowhere is no run folder: it holds no config.yaml"),
        (("fit-prior", "x", "--kind", "laplace"), "--kind must be one of conditional, factorised, mixture"),
        (("fit-prior", "x", "--lr", "0"), "--epochs and --lr must be positive, got 1 and 0.0"),
        (("denoise", "a.png", "--model", "wast_photos"), "wast_photos is for video prediction"),
    ],
)
def test_bad_input_is_one_sentence(words, message, here, capsys):
    assert message in refused(capsys, *words)


@pytest.mark.parametrize("options", [{"mode": "elbo"}, {"mode": "elbo", "in_chans": 1}, {"mode": "paper", "top_k": 40}])
def test_reconstruct_gives_photographs_of_any_size_and_what_they_cost(options, here, capsys):
    model = network(here / "model", **options)
    gray = (SMOOTH.mean(0, keepdim=True), 16)
    write_image(Path("deep.png"), gray[0], bit_depth=gray[1])
    assert main(["reconstruct", "a.png", "deep.png", "--model", model]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if "reconstructed/" in line]
    for row, (name, wanted) in zip(rows, (("a.png", SMOOTH), ("deep.png", gray[0])), strict=True):
        result = read_image(Path("reconstructed") / name)
        assert result.pixels.shape == wanted.shape
        assert result.info.bit_depth == (16 if name == "deep.png" else 8)
        scores, sides = row[7:10], row[1:4]
        assert sides == ["53", "x", "37"]
        error = (result.pixels - wanted).square().mean()
        assert float(scores[0]) == pytest.approx((-10 * error.log10()).item(), abs=0.1)
        assert float(scores[1]) > 0.3
        assert float(scores[2]) > 0


def test_reconstruct_keeps_a_photograph_whole_where_the_code_does(here, capsys):
    """A residual encoder without training is the transform: padded, cropped, exact."""
    save_model(create_model("wavelet_vae_s", **SIZES), here / "model")
    assert main(["reconstruct", "a.png", "--model", "model"]) == 0
    assert torch.equal(read_image("a_reconstructed.png").pixels, SMOOTH)
    row = next(line for line in capsys.readouterr().out.splitlines() if "a_reconstructed" in line)
    assert row.split()[9] == "-"  # nothing says what such a code costs


def test_reconstruct_works_with_a_network_of_one_size_and_not_with_a_diffusion(here, capsys):
    conv = network(here / "conv", "conv_vae_s", img_size=16, widths=(8, 8), blocks=1, latent_dim=4)
    assert main(["reconstruct", "a.png", "--model", conv]) == 0
    assert read_image("a_reconstructed.png").pixels.shape == SMOOTH.shape
    assert "holds conv_vae_s, which has no wavelet coefficients" in refused(capsys, "latent", "a.png", "--model", conv)
    assert "without wavelet coefficients" in refused(capsys, "denoise", "a.png", "--model", conv)
    diffusion = network(here / "diffusion", "wavelet_diffusion", **DIFFUSION)
    assert "which has no code" in refused(capsys, "reconstruct", "a.png", "--model", diffusion)


def test_several_photographs_and_folders_go_into_one_folder(here, elbo, capsys):
    Path("more").mkdir()
    write_image(Path("more/a.png"), SMOOTH)
    Path("more/bad.png").write_bytes(Path("a.png").read_bytes()[:200])
    assert main(["reconstruct", "a.png", "more", "--model", elbo, "--out", "out"]) == 2
    assert "1 of 3 photographs could not be done: bad.png" in capsys.readouterr().err
    assert sorted(path.name for path in Path("out").iterdir()) == ["a.png-2.png", "a.png.png"]
    assert "out exists already" in refused(capsys, "reconstruct", "a.png", "b.png", "--model", elbo, "--out", "out")
    assert "is a folder of the photographs" in refused(
        capsys, "reconstruct", "a.png", "b.png", "--model", elbo, "--out", ".", "--overwrite"
    )
    assert "nowhere.png does not exist" in refused(capsys, "reconstruct", "a.png", "nowhere.png", "--model", elbo)


def test_latent_maps_every_level_and_orientation(elbo, capsys):
    assert main(["latent", "a.png", "--model", elbo]) == 0
    names = [f"level_{level}_{name}.png" for level in (1, 2) for name in ("hh", "hl", "lh")]
    assert sorted(path.name for path in Path("a_latent").iterdir()) == sorted(
        ["combined.png", "figure.png", "bits_figure.png", *names, *(f"bits_{name}" for name in names)]
    )
    assert read_image("a_latent/level_2_hh.png").pixels.shape == (3, 10, 14)
    assert read_image("a_latent/combined.png").pixels.shape == (3, 40, 56)
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines() if line.startswith((" 1", " 2"))] == []
    assert main(["latent", "a.png", "--levels", "4", "--wavelet", "db2", "--out", "plain"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if " x " in line]
    assert [row[0] for row in rows] == ["4", "3", "2", "1"]
    assert float(rows[0][4]) > float(rows[-1][4]) > 0
    assert not list(Path("plain").glob("bits*"))


def test_maps_show_where_and_how_edges_run(here):
    stripes = torch.zeros(1, 32, 32)
    stripes[:, :, 1::2] = 1  # one orientation at the finest level, nothing elsewhere
    write_image(Path("stripes.png"), stripes)
    assert main(["latent", "stripes.png"]) == 0
    bright = {path.stem: read_image(path).pixels.mean().item() for path in Path("stripes_latent").glob("level_*.png")}
    assert max(bright, key=bright.get) == "level_1_hl"
    assert sum(value > 0.01 for value in bright.values()) == 1


@pytest.mark.parametrize("with_model", [False, True])
def test_an_edit_changes_what_is_white_in_the_mask_alone(with_model, elbo):
    mask = torch.zeros(1, 37, 53)
    mask[:, :, :24] = 1
    write_image(Path("mask.png"), mask)
    write_image(Path("black.png"), torch.zeros(1, 37, 53))
    save_model(create_model("wavelet_vae_s", **SIZES, mode="elbo"), "exact")  # without training the transform itself
    own = ["--model", "exact"] if with_model else ["--wavelet", "haar", "--levels", "2"]
    assert main(["edit", "a.png", "--mask", "mask.png", "--gain", "level=1:0,level=2:0.5", *own]) == 0
    edited = read_image("a_edited.png").pixels
    assert torch.equal(edited[..., 24:], SMOOTH[..., 24:])
    inside = edited[..., :24].diff().abs().mean() / SMOOTH[..., :24].diff().abs().mean()
    assert inside < 0.8
    for options in (["--smooth-background", "black.png"], ["--mask", "black.png", "--threshold", "level=1:0.5"]):
        if with_model and "--smooth-background" in options:
            continue  # this network has two levels
        levels = ["--levels", "3"] if "--smooth-background" in options else own
        assert main(["edit", "a.png", *options, *levels, "--out", "same.png", "--overwrite"]) == 0
        assert torch.equal(read_image("same.png").pixels, SMOOTH)


def test_detail_of_another_photograph_is_copied(here):
    write_image(Path("gray.png"), SMOOTH.flip(-1).mean(0, keepdim=True))
    words = ["edit", "a.png", "--wavelet", "haar", "--levels", "1", "--copy", "level=1"]
    assert main([*words, "--copy-from", "b.png"]) == 0
    edited, other = read_image("a_edited.png").pixels, SMOOTH.flip(-1)
    horizontal = [pixels[..., 0:36:2, 0:52:2] - pixels[..., 1:36:2, 0:52:2] for pixels in (edited, other)]
    inner = (edited > 0.01) & (edited < 0.99)  # where nothing was cut off
    inside = inner[..., 0:36:2, 0:52:2] & inner[..., 1:36:2, 0:52:2]
    assert (horizontal[0] - horizontal[1])[inside].abs().max() < 0.02
    assert main([*words, "--copy-from", "gray.png", "--out", "from_gray.png"]) == 0


def test_masks_and_photographs_of_another_size_are_refused(here, elbo, capsys):
    write_image(Path("small.png"), SMOOTH[:, :20, :30])
    assert refused(capsys, "edit", "a.png", "--smooth-background", "small.png") == (
        "the mask small.png is 30 x 20 pixels, the photograph 53 x 37."
    )
    words = ["edit", "a.png", "--copy", "level=1", "--copy-from", "small.png"]
    assert refused(capsys, *words) == "--copy-from small.png is 30 x 20 pixels, not 53 x 37."
    assert "small.png 30 x 20; make them the same size" in refused(capsys, "interpolate", "a.png", "small.png")


@pytest.mark.parametrize("options", [{"mode": "elbo"}, {"mode": "paper"}, {"mode": "elbo", "in_chans": 1}, None])
def test_interpolate_walks_side_by_side(options, here, capsys):
    model = [] if options is None else ["--model", network(here / "model", **options)]
    assert main(["interpolate", "a.png", "b.png", "--num", "4", "--out", "walk", *model]) == 0
    ways = ["pixel", "sparse"] if options is None else ["pixel", "latent", "sparse"]
    assert f"rows of the grid: {', '.join(ways)}" in capsys.readouterr().out
    assert sorted(path.name for path in Path("walk").iterdir()) == sorted(
        ["grid.png", *(f"{way}_0{number}.png" for way in ways for number in range(1, 5))]
    )
    assert read_image("walk/grid.png").pixels.shape == (3, len(ways) * 39 - 2, 4 * 55 - 2)
    assert torch.equal(read_image("walk/pixel_01.png").pixels, SMOOTH)
    if options is None:
        for number, wanted in ((1, SMOOTH), (4, SMOOTH.flip(-1))):
            torch.testing.assert_close(read_image(f"walk/sparse_0{number}.png").pixels, wanted, rtol=0, atol=1 / 255)
    else:
        ends = [read_image(f"walk/{way}_04.png").pixels for way in ("latent", "sparse")]
        torch.testing.assert_close(*ends, rtol=0, atol=1.1 / 255)


@pytest.mark.parametrize("name", ["elbo", "diffusion"])
def test_networks_remove_noise(name, here, capsys):
    """Even without training a prior with the right scales of bands removes some."""
    if name == "elbo":
        model = create_model("wavelet_vae_s", **SIZES, mode="elbo", prior="factorised", decoder="pure")
    else:
        model = create_model("wavelet_diffusion", **DIFFUSION)
    crops = torch.from_numpy(data.astronaut().copy()).permute(2, 0, 1)[:, :512, :512].float() / 127.5 - 1
    model.calibrate([crops.unfold(1, 16, 16).unfold(2, 16, 16).permute(1, 2, 0, 3, 4).flatten(0, 1)])
    save_model(model, here / "model")
    noisy = SMOOTH + 0.1 * torch.randn(SMOOTH.shape, generator=torch.Generator().manual_seed(0))
    write_image(Path("noisy.png"), noisy)
    before = (read_image("noisy.png").pixels - SMOOTH).square().mean()
    assert main(["denoise", "noisy.png", "--model", "model", "--sigma", "0.1"]) == 0
    after = read_image("noisy_denoised.png").pixels
    assert after.shape == SMOOTH.shape
    if name == "elbo":
        assert (after - SMOOTH).square().mean() < 0.6 * before
        assert "--steps must be positive and goes with a diffusion" in refused(
            capsys, "denoise", "a.png", "--model", "model", "--steps", "3"
        )
    else:
        words = ["denoise", "noisy.png", "--model", "model", "--sigma", "0.1"]
        for number, options in enumerate((["--steps", "2"], ["--steps", "2", "--seed", "1"], ["--steps", "1"])):
            assert main([*words, *options, "--out", f"{number}.png"]) == 0
        assert len({Path(f"{number}.png").read_bytes() for number in range(3)}) == 3
    assert main(["denoise", "noisy.png", "--model", "model", "--sigma", "0", "--out", "same.png"]) == 0
    assert Path("same.png").read_bytes() == Path("noisy.png").read_bytes()


def test_constant_photographs_go_through_everything(here, elbo):
    write_image(Path("flat.png"), torch.full((3, 21, 34), 0.4))
    words = (
        ["reconstruct", "flat.png", "--model", elbo],
        ["latent", "flat.png"],
        ["latent", "flat.png", "--model", elbo, "--out", "own"],
        ["edit", "flat.png", "--gain", "level=1:3"],
        ["interpolate", "flat.png", "flat.png"],
        ["denoise", "flat.png", "--model", elbo, "--sigma", "0.1"],
    )
    for command in words:
        assert main(command) == 0
    assert torch.equal(read_image("flat_edited.png").pixels, read_image("flat.png").pixels)
    assert torch.equal(read_image("interpolated/sparse_05.png").pixels, read_image("flat.png").pixels)


@pytest.mark.parametrize("command", ["reconstruct", "latent", "edit", "interpolate", "denoise"])
def test_pixels_that_are_no_numbers_are_refused(command, here, elbo, capsys):
    values = np.full((16, 16), 0.5, np.float32)
    values[3, 4] = np.nan
    Image.fromarray(values).save("nan.tiff")
    options = {"edit": ["--gain", "level=1:0.5"], "interpolate": ["a.png"]}.get(command, [])
    model = [] if command in ("edit", "interpolate", "latent") else ["--model", elbo]
    assert "nan.tiff has values from nan to nan" in refused(capsys, command, "nan.tiff", *options, *model)


def test_a_wavelet_that_does_not_fit_the_loss_is_refused_with_the_reason(here, capsys):
    words = ["--model.args.wavelet", "bior2.2", "--model.args.recon_domain", "wavelet", "--out", "run"]
    error = refused(capsys, "train", "generation/wavelet_vae_photos", *words)
    assert "recon_domain='wavelet' needs an orthogonal wavelet: errors of coefficients of 'bior2.2' are not" in error


@pytest.fixture
def paper_run(here) -> Path:
    args = {key: list(value) if isinstance(value, tuple) else value for key, value in SIZES.items()}
    recipe = {
        "task": "generation",
        "model": {"name": "wavelet_vae_s", "args": args},
        "data": {"name": "photo_patches", "args": {"img_size": 16, "num_train": 24, "num_val": 4, "num_test": 4}},
        "loss": [{"name": "objective"}],
        "trainer": {"epochs": 1, "device": "cpu", "tensorboard": False},
    }
    recipe["data"]["batch_size"] = 8
    train(build_recipe(recipe), here / "run", progress=False)
    return here / "run"


@pytest.mark.parametrize("kind", fit_prior.KINDS)
def test_a_prior_is_fitted_to_a_run_which_loses_nothing(kind, paper_run, capsys):
    for command in (["generate", "--model", "run", "--out", "x"], ["denoise", "a.png", "--model", "run"]):
        assert refused(capsys, *command).endswith("fit a prior first: subband fit-prior run.")
    before, files = load_model("run"), {path: path.read_bytes() for path in paper_run.rglob("*") if path.is_file()}
    assert main(["fit-prior", "run", "--kind", kind]) == 0
    assert f"fitted a {kind} prior to 24 images" in capsys.readouterr().out
    after = load_model("run")
    state = after.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in before.state_dict().items())
    assert {key.split(".")[0] for key in set(state) - set(before.state_dict())} == {"prior"}
    assert after.metadata["prior"]["kind"] == kind
    assert {key: value for key, value in after.metadata.items() if key != "prior"} == before.metadata
    changed = {path.name for path, content in files.items() if path.read_bytes() != content}
    assert changed == {"model.safetensors", "config.json"}
    assert main(["generate", "--model", "run", "--num", "2", "--out", "drawn"]) == 0
    assert "has a prior already; add --overwrite" in refused(capsys, "fit-prior", "run")
    assert main(["fit-prior", "run", "--kind", kind, "--seed", "1", "--overwrite"]) == 0
    if kind == "conditional":
        assert json.loads((paper_run / "model" / "config.json").read_text())["args"]["prior"] == kind
        assert main(["evaluate", "run"]) == 0
        assert main(["interpolate", "a.png", "b.png", "--model", "run", "--num", "3"]) == 0


def test_a_prior_is_fitted_to_mode_paper_alone(elbo, paper_run, capsys):
    save_model(load_model("elbo"), paper_run / "model", overwrite=True)
    assert "run was trained in mode 'elbo', which learns its prior" in refused(capsys, "fit-prior", "run")


def test_the_kinds_of_priors_are_all_there():
    assert set(fit_prior.KINDS) == set(PRIORS)
