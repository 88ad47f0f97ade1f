"""Every recipe that ships parses and names what exists; one of each signature trains two steps at a small size."""

import functools
import importlib
import inspect
from pathlib import Path
from typing import Any

import pytest
import torch

from subband.config import (
    DropPathConfig,
    ModelConfig,
    OptimConfig,
    RecipeConfig,
    TrainerConfig,
    build_recipe,
    find_recipe,
    list_recipes,
    load_recipe,
    merge,
    read_recipe,
    stage_recipes,
)
from subband.data import DATASETS
from subband.data.labelled.images import ImageSpec, Preprocessing
from subband.media.images import write_image
from subband.models.registry import catalog, model_spec
from subband.tasks.classification.task import ClassificationTask, loss_options
from subband.tasks.detection.task import loss_weight
from subband.tasks.generation.task import objective_options
from subband.tasks.pose.losses import PoseLosses
from subband.tasks.restoration.losses import loss_table
from subband.tasks.restoration.task import RestorationTask
from subband.tasks.video_prediction import prediction_losses
from subband.training.loop import train
from subband.training.schedule import build_optimizer

RECIPES = list_recipes()
# What makes a published network small enough for a test without changing its kind.
SMALL = {
    "simvp": {"hid_S": 4, "hid_T": 16, "N_T": 2, "mlp_ratio": 1.0},
    "tau": {"hid_S": 4, "hid_T": 16, "N_T": 2, "mlp_ratio": 1.0},
    "wsfvit": {"hid_S": 32, "hid_T": 64, "mlp_ratio": 1.0},
    "wast": {"encoder_dim": 4, "block_list": [1, 1, 1], "large_kernel": [5, 3], "mlp_ratio": 1.0},
}
SMALL_RESTORERS = {
    "basicvsr_pp": {"channels": 8, "blocks": 1, "groups": 2},
    "estrnn": {"n_features": 2, "n_blocks": 1},
    "ftdeblur": {"channels": 4, "n_feat": 1, "n_rec": 1, "groups": 2},
    "mfpi": {"channels": 8, "blocks": 1, "rec_blocks": 1, "groups": 2},
    "motion_unet": {"dims": [4, 8], "depth": 1},
    "residual_unet": {"dims": [4, 8], "depth": 1},
    "vd_diff": {"num_feat": 4, "propagation_blocks": 1, "num_blocks": [1, 1], "heads": [1, 2], "prior_feat": 2},
}
SMALL_GENERATORS = {
    "conv_vae": {"widths": [8, 8], "blocks": 1, "latent_dim": 4},
    "wavelet_diffusion": {"base_dims": [32], "multipliers": [[1]], "attention": [[]]},
    "wavelet_vae": {
        **{"levels": 2, "widths": [8, 8, 8], "blocks": 1, "prior_width": 8, "prior_blocks": 1},
        **{"refine_width": 8, "refine_blocks": 1},
    },
}
SMALL_CLASSIFIERS = {
    "dct_mobilenetv2": {},
    "dct_resnet": {"depths": [1, 1, 1, 1], "width": 4},
    "gfnet": {"dims": [8], "depths": [1], "patch_size": 4},
    "wsfvit": {"dims": [8, 8, 16, 16], "depths": [1, 1, 1, 1], "num_heads": [2, 2, 2, 2], "head_dim": 4, "stem_dim": 8},
    "vit": {"dim": 8, "depth": 1, "num_heads": 2, "patch_size": 4},
}
SMALL_POSE = {
    "framepose": {"channels": 4},
    "freqpose": {"channels": 4},
    "vitpose": {"dim": 12, "depth": 1, "num_heads": 2},
}
SMALL_DETECTOR = {
    "backbone_args": {**SMALL_CLASSIFIERS["wsfvit"], "img_size": 64, "drop_path_rate": 0.1},
    "dim": 8,
    "hidden_dim": 16,
}
IMAGENET = [name for name in RECIPES if name.endswith("_imagenet")]


def signature(settings: dict[str, Any]) -> tuple:
    """What decides which code a recipe trains with; sizes, rates and folders are left out.

    The data set is left out, too: a training here replaces it, and `test_recipes_parse_and_name_what_exists` binds
    the arguments of every one.
    """
    model, optim = ModelConfig(**settings["model"]), OptimConfig(**settings.get("optim", {}))
    path, trainer = DropPathConfig(**settings.get("drop_path", {})), TrainerConfig(**settings.get("trainer", {}))
    spec = model_spec(model.name)
    args = {**spec.args, **model.args}
    kinds = {key: value for key, value in args.items() if isinstance(value, bool | str) and key != "backbone"}
    choices = tuple(sorted(kinds.items()))
    losses = tuple(term["name"] for term in settings.get("loss", []))
    steps = (optim.name, optim.schedule, optim.warmup_epochs > 0, optim.per_epoch, optim.grad_clip is None)
    loop = (path.mode, path.ramp, trainer.ema_decay is None, trainer.eval_mode, trainer.grad_checkpointing)
    stages = tuple(stage["name"] for stage in settings.get("stages", []))
    return settings["task"], spec.builder, choices, losses, steps, loop, stages, bool(optim.lr_factors)


@functools.cache
def loaded(name: str) -> RecipeConfig:
    """A recipe that several tests look at and none changes."""
    return load_recipe(name)


def one_of_each_signature() -> list[str]:
    # Read without the checks of `load_recipe`, which would cost seconds before the first test.
    found: dict[tuple, str] = {}
    for name in RECIPES:
        found.setdefault(signature(read_recipe(name)), name)
    return list(found.values())


TRAINED = one_of_each_signature()


def test_there_is_a_recipe_for_every_preset():
    from subband import list_models

    bases = {"simvp_gsta", "simvp_incepu", "tau", "wast", "wast_seed", "wsfvit_video", "persistence"}
    presets = {name for name in list_models() if model_spec(name).task == "video_prediction"} - bases
    assert presets <= {name.split("/")[1] for name in RECIPES}


def check_names(recipe: RecipeConfig) -> None:
    builder = inspect.signature(model_spec(recipe.model.name).builder)
    assert set(recipe.model.args) <= set(builder.parameters)
    if recipe.task == "classification":
        loss_options(recipe.loss)
    elif recipe.task == "detection":
        loss_weight(recipe.loss)
    elif recipe.task in ("generation", "video_generation"):
        for stage in stage_recipes(recipe).values():
            objective_options(stage.loss)
    elif recipe.task == "pose":
        for stage in stage_recipes(recipe).values():
            PoseLosses(stage.loss, motion_chans=4 if stage.model.name.startswith("freqpose") else None)
            assert model_spec(stage.model.name).task == recipe.task
    elif recipe.task == "restoration":
        for stage in stage_recipes(recipe).values():
            loss_table(stage.loss)
            assert model_spec(stage.model.name).task == recipe.task
    else:
        prediction_losses(recipe.loss)
    module, attribute = DATASETS[recipe.data.name].split(":")
    function = getattr(importlib.import_module(module), attribute)
    inspect.signature(function).bind(**recipe.data.args)


@pytest.mark.parametrize(
    ("task", "count"),
    [
        *(("classification", 30), ("detection", 5), ("generation", 10), ("pose", 7), ("restoration", 6)),
        *(("video_generation", 0), ("video_prediction", 30)),
    ],
)
def test_recipes_parse_and_name_what_exists(task, count):
    names = [name for name in RECIPES if name.startswith(f"{task}/")]
    assert len(names) > count
    for name in names:
        try:
            recipe = loaded(name)
            assert recipe.task == task
            check_names(recipe)
        except Exception as error:
            raise AssertionError(f"recipe {name}: {error}") from error


def test_unknown_keys_are_errors_in_every_recipe():
    """In each section, and at the top; the message names the key."""
    for name in RECIPES:
        settings, unknown = read_recipe(name), {"no_such_key": 1}
        for section in ("model", "data", "optim", "drop_path", "trainer", "evaluation"):
            with pytest.raises(ValueError, match=f"unknown key '{section}.no_such_key'"):
                build_recipe(merge(settings, {section: unknown}))
        with pytest.raises(ValueError, match="unknown key 'no_such_key'"):
            build_recipe(merge(settings, unknown))


def test_recipes_state_where_their_numbers_come_from():
    for name in RECIPES:
        header = [line for line in find_recipe(name).read_text().splitlines() if line.startswith("#")]
        assert any("Source:" in line or "Ours" in line for line in header), f"{name}: say where the numbers come from"


def test_there_is_a_recipe_for_every_classifier():
    named = {loaded(name).model.name for name in IMAGENET}
    published = {name for name, spec in catalog().items() if spec.task == "classification" and spec.layout is not None}
    assert published - {"vit_ti", "vit_s"} <= named  # these have timm's layout to be exchanged with it, and no paper


@pytest.mark.parametrize("name", IMAGENET)
def test_imagenet_recipe_fits_its_network(name):
    recipe = load_recipe(name)
    size = recipe.data.args["img_size"]
    classes = tuple(map(str, range(1000)))
    spec = ImageSpec(classes=classes, preprocessing=Preprocessing(size=(size, size)))
    with torch.device("meta"):
        model = ClassificationTask.build_model(recipe, spec)
    ClassificationTask(recipe, model, spec)
    assert tuple(model.img_size) == (size, size)
    # Inputs are prepared as those of the published weights.
    wanted = Preprocessing.from_dict({"size": [size, size], **model_spec(recipe.model.name).preprocessing})
    args = {key: tuple(value) if isinstance(value, list) else value for key, value in recipe.data.args.items()}
    for key in ("crop_ratio", "crop_mode", "interpolation", "antialias", "mean", "std"):
        default = Preprocessing.__dataclass_fields__[key].default
        assert args.get(key, default) == getattr(wanted, key), key


@pytest.fixture(scope="module")
def imagenet(tmp_path_factory):
    """A folder laid out as ImageNet, of two classes."""
    folder = tmp_path_factory.mktemp("imagenet")
    for split, count in (("train", 3), ("val", 1)):
        for label in ("n01", "n02"):
            (folder / split / label).mkdir(parents=True)
            for number in range(count):
                write_image(folder / split / label / f"{number}.png", torch.rand(3, 40, 50))
    return folder


@pytest.mark.parametrize("name", ["wsfvit_t", "wsfvit_p0", "wsfvit_s_384", "gfnet_xs", "dct_resnet50_24"])
def test_imagenet_recipe_reads_its_data(name, imagenet):
    recipe = load_recipe(f"classification/{name}_imagenet", {"data": {"args": {"path": str(imagenet)}}})
    data = ClassificationTask.build_data(recipe)
    size = recipe.data.args["img_size"]
    assert data.train[5][0].shape == data.test[0][0].shape == (3, size, size)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder of noise: six classes, two batches of six pictures to train on."""
    folder = tmp_path_factory.mktemp("pictures")
    for split, count in (("train", 2), ("val", 1), ("test", 1)):
        for label in "abcdef":
            (folder / split / label).mkdir(parents=True)
            for number in range(count):
                write_image(folder / split / label / f"{number}.png", torch.rand(3, 32, 32))
    return folder


@pytest.fixture(scope="module")
def blurred_clips(tmp_path_factory):
    """Folders laid out as GoPro and BSD, of clips as short and small as the recipes can take."""
    folder, frame = tmp_path_factory.mktemp("clips"), torch.zeros(3, 256, 256)
    splits = {"GoPro/train/{}/a": 15, "GoPro/train/{}/b": 15, "GoPro/test/{}/c": 2}
    splits |= {f"BSD/BSD_2ms16ms/{split}/d/{{}}/RGB": 8 for split in ("train", "valid", "test")}
    for pattern, count in splits.items():
        for name in ("blur", "sharp") if pattern.startswith("GoPro") else ("Blur", "Sharp"):
            place = folder / pattern.format(name)
            place.mkdir(parents=True)
            for number in range(count):
                write_image(place / f"{number:06d}.png", frame)
    return folder


@pytest.mark.parametrize(("name", "frames"), [("vd_diff_gopro", 15), ("ftdeblur_gopro", 5), ("estrnn_bsd", 8)])
def test_restoration_recipe_reads_its_data_and_fits_its_networks(name, frames, blurred_clips):
    root = blurred_clips / name.split("_")[-1].replace("gopro", "GoPro").replace("bsd", "BSD")
    whole = load_recipe(f"restoration/{name}", {"data": {"args": {"root": str(root)}}})
    data = RestorationTask.build_data(whole)
    assert data.train[3][0].shape == data.train[3][1].shape == (frames, 3, 256, 256)
    for recipe in stage_recipes(whole).values():
        with torch.device("meta"):
            model = RestorationTask.build_model(recipe, data.spec)
        task = RestorationTask(recipe, model, data.spec)
        for part in task.parts().values():
            build_optimizer(part, recipe.optim)


def small_classifier(recipe: RecipeConfig, pictures: Path) -> None:
    """Shrink the network to a few channels, and train on a few pictures."""
    small = next(args for prefix, args in SMALL_CLASSIFIERS.items() if recipe.model.name.startswith(prefix))
    recipe.model.args = {**recipe.model.args, **small, "img_size": 32}
    recipe.data.name, recipe.data.batch_size = "image_folder", 6
    recipe.data.args = {"img_size": 32, "path": str(pictures)}
    recipe.model.weights = None
    recipe.trainer.precision, recipe.trainer.compile = "32", False
    recipe.trainer.num_devices, recipe.trainer.accumulate = 1, 1


def small_predictor(recipe: RecipeConfig) -> None:
    """Shrink the network to a few channels, and train on four moving digits."""
    small = next(args for prefix, args in SMALL.items() if recipe.model.name.startswith(prefix))
    recipe.model.args = {**recipe.model.args, **small}
    recipe.data.name, recipe.data.batch_size = "moving_digits", 2
    recipe.data.args = {"in_frames": 2, "out_frames": 2, "img_size": 32, "sprite_size": 12}
    recipe.data.args |= {"num_train": 4, "num_val": 2, "num_test": 2}
    recipe.drop_path.cutoff_epochs = 0


def small_clip_generator(recipe: RecipeConfig) -> None:
    """Shrink the network to a few channels, and train on four moving digits."""
    recipe.model.args = {**recipe.model.args, "levels": 2, "time_levels": 2, "widths": [8, 8, 8], "prior_width": 8}
    recipe.data.batch_size = 2
    recipe.data.args = {"in_frames": 2, "out_frames": 2, "img_size": 16, "sprite_size": 8}
    recipe.data.args |= {"num_train": 4, "num_val": 2, "num_test": 2}


@pytest.fixture(scope="module")
def gray_videos(tmp_path_factory):
    """Three folders of four gray frames."""
    folder = tmp_path_factory.mktemp("videos")
    for number in range(12):
        place = folder / f"video{number // 4}"
        place.mkdir(exist_ok=True)
        write_image(place / f"{number}.png", torch.full((3, 32, 32), 0.5))
    return folder


def small_restorer(recipe: RecipeConfig, gray_videos: Path) -> None:
    """Shrink the network of every stage to a few channels, and train on four clips of five frames."""
    small = next(args for prefix, args in SMALL_RESTORERS.items() if recipe.model.name.startswith(prefix))
    for model in (recipe.model, *(stage.settings.get("model") for stage in recipe.stages)):
        if isinstance(model, dict):
            model["args"] = {**model.get("args", {}), **small}
        elif model is not None:
            model.args = {**model.args, **small}
    for stage in recipe.stages:
        stage.settings.setdefault("trainer", {})["epochs"] = 1
    recipe.data.batch_size, counts = 2, {"num_train": 4, "num_val": 2, "num_test": 2}
    if recipe.data.name in ("downscaled_videos", "reds"):
        recipe.data.name = "downscaled_videos"
        recipe.data.args = {"path": str(gray_videos), "frames": 3, "img_size": 8, **counts}
    else:
        recipe.data.name, recipe.data.args = "blurred_photos", {"frames": 5, "img_size": 32, **counts}
    recipe.evaluation.batch_size = None


def small_generator(recipe: RecipeConfig) -> None:
    """Shrink the network to a few channels, and train on four patches of photographs."""
    small = next(args for prefix, args in SMALL_GENERATORS.items() if recipe.model.name.startswith(prefix))
    recipe.model.args = {**recipe.model.args, **small}
    if "diffusion" in recipe.model.args:
        recipe.model.args["diffusion"] = SMALL_GENERATORS["wavelet_diffusion"]
    for stage in recipe.stages:
        stage.settings.setdefault("trainer", {})["epochs"] = 1
    recipe.data.name, recipe.data.batch_size = "photo_patches", 2
    recipe.data.args = {"img_size": 16, "num_train": 4, "num_val": 2, "num_test": 2}


@pytest.fixture(scope="module")
def outlined(tmp_path_factory):
    """Six images of a square each, with its outline, in YOLO's layout."""
    folder = tmp_path_factory.mktemp("outlined")
    (folder / "classes.txt").write_text("square\n")
    for split, count in (("train", 4), ("val", 1), ("test", 1)):
        (folder / split).mkdir()
        for number in range(count):
            write_image(folder / split / f"{number}.png", torch.rand(3, 40, 64))
            (folder / split / f"{number}.txt").write_text("0 0.2 0.2 0.7 0.2 0.7 0.8 0.2 0.8\n")
    return folder


def small_detector(recipe: RecipeConfig, outlined: Path) -> None:
    """Shrink the network to a few channels, and train on four images."""
    recipe.model.args, recipe.data.batch_size = SMALL_DETECTOR, 2
    if recipe.drop_path.rate is not None:
        recipe.drop_path.rate = 0.1
    recipe.data.args = {**recipe.data.args, "path": str(outlined), "short_side": 40, "long_side": 64}
    recipe.trainer.precision, recipe.trainer.num_devices, recipe.trainer.accumulate = "32", 1, 1


def small_pose(recipe: RecipeConfig) -> None:
    """Shrink the network of every stage to a few channels, and train on four drawn figures."""
    small = next(args for prefix, args in SMALL_POSE.items() if recipe.model.name.startswith(prefix))
    recipe.model.args = {**recipe.model.args, **small}
    for stage in recipe.stages:
        stage.settings.setdefault("trainer", {})["epochs"] = 1
        if "name" in stage.settings.get("model", {}):
            stage.settings["model"]["args"] = {**stage.settings["model"].get("args", {}), **small}
    recipe.data.name, recipe.data.batch_size = "drawn_figures", 2
    recipe.data.args = {"num_train": 4, "num_val": 2, "num_test": 2, "frames": 3, "img_size": 32}
    recipe.optim.lr_factors = {name: value for name, value in recipe.optim.lr_factors.items() if ".blocks." not in name}
    recipe.trainer.precision, recipe.trainer.num_devices, recipe.evaluation.batch_size = "32", 1, None


@pytest.mark.parametrize("name", TRAINED)
def test_one_recipe_of_each_signature_trains_two_steps(name, tmp_path, pictures, gray_videos, outlined):
    recipe = load_recipe(name)
    shrink, metric = {
        "classification": (functools.partial(small_classifier, pictures=pictures), "cross_entropy"),
        "detection": (functools.partial(small_detector, outlined=outlined), "ap"),
        "generation": (small_generator, "fwd" if recipe.model.name == "wavelet_diffusion" else "mse"),
        "pose": (small_pose, "pck_strict"),
        "restoration": (functools.partial(small_restorer, gray_videos=gray_videos), "psnr"),
        "video_generation": (small_clip_generator, "mse"),
        "video_prediction": (small_predictor, "mse"),
    }[recipe.task]
    shrink(recipe)
    recipe.data.num_workers = 0
    recipe.trainer.epochs, recipe.trainer.device, recipe.trainer.tensorboard = 1, "cpu", False
    scores = train(recipe, tmp_path / "run", progress=False)
    assert scores["rows"][0]["steps"] == 2
    found_nothing_yet = recipe.task in ("detection", "pose") and scores["rows"][0]["metrics"][metric] == 0
    assert scores["rows"][0]["metrics"][metric] > 0 or found_nothing_yet


def test_trainings_reach_every_network_loss_and_schedule():
    """Recipes that share a signature are covered by one; nothing that any recipe names is left out."""

    def named(names):
        recipes = [loaded(name) for name in names]
        builders = {model_spec(recipe.model.name).builder for recipe in recipes}
        losses = {term.name for recipe in recipes for term in recipe.loss}
        return builders, losses, {(recipe.optim.name, recipe.optim.schedule) for recipe in recipes}

    assert named(TRAINED) == named(RECIPES)
    assert len(TRAINED) < 0.41 * len(RECIPES)
