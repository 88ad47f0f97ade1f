"""Typed configuration: what a recipe may say, how it is found, read and checked."""

from __future__ import annotations

import copy
import dataclasses
import difflib
import functools
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_type_hints

import yaml

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser

RECIPES = Path(str(files("subband"))) / "recipes"
PATH_ARGUMENTS = ("path", "root")
"""Arguments of data sets that name a file or folder."""
WEIGHT_SETTINGS = (
    ("model", "weights"),
    ("model", "teacher"),
    ("evaluation", "lpips_weights"),
    ("evaluation", "inception_weights"),
)
"""Settings that name a file, a folder, bundled weights or nothing."""


@dataclass(kw_only=True)
class ModelConfig:
    """Which network."""

    name: str
    """A name of `subband models`."""
    args: dict[str, Any] = field(default_factory=dict)
    """Constructor arguments that differ from the named configuration."""
    weights: str | None = None
    """Start from these weights, not fresh ones: a run folder, a model folder, the name of bundled weights or
    `hf:user/name@COMMIT` of the Hugging Face Hub. The last layer of a classifier with another number of
    classes starts fresh; what depends on the image size is resized."""
    teacher: str | None = None
    """Weights of a frozen network that the losses of the task ask: as `weights`, or `previous` for the stage before."""


@dataclass(kw_only=True)
class DataConfig:
    """Which data, and how it is fed."""

    name: str
    """A data set of the task, for example moving_digits or video_folder."""
    args: dict[str, Any] = field(default_factory=dict)
    """Arguments of that data set: folders, sizes, numbers of samples."""
    batch_size: int = 16
    """Samples of one step on one device."""
    num_workers: int = 0
    """Processes that decode files; data drawn by the package itself needs none."""


@dataclass(kw_only=True)
class LossTerm:
    """One term of the training loss."""

    name: str
    """A loss of the task, for example mse or high_focal_frequency."""
    weight: float = 1.0
    """Factor in the sum."""
    args: dict[str, Any] = field(default_factory=dict)
    """Arguments of that loss."""


@dataclass(kw_only=True)
class OptimConfig:
    """Optimizer and learning-rate schedule."""

    name: Literal["adam", "adamw", "sgd"] = "adam"
    """Optimizer of torch.optim."""
    lr: float = 1e-3
    """Largest learning rate."""
    betas: tuple[float, float] = (0.9, 0.999)
    """Decay of the running averages; the first is the momentum of sgd."""
    weight_decay: float = 0.0
    """Weight decay; not applied to biases and other vectors, but of detectors, which were published so."""
    schedule: Literal["onecycle", "cosine", "steps", "constant"] = "onecycle"
    """Learning rate: one cycle, or cosine or falling in steps after a linear warm-up, or constant."""
    warmup_epochs: float = 0.0
    """Length of the linear warm-up of the cosine and steps schedules."""
    warmup_lr: float = 1e-5
    """Where the warm-up starts."""
    min_lr: float = 1e-6
    """Where the cosine ends."""
    step_epochs: float | list[float] = 30.0
    """With steps: epochs between two falls of the rate, or a list of the epochs after which it falls."""
    step_factor: float = 0.1
    """With steps: what the rate is multiplied by."""
    per_epoch: bool = False
    """Change the rate between epochs only, not with every step; for cosine and steps."""
    grad_clip: float | None = None
    """Largest norm of the gradient."""
    lr_factors: dict[str, float] = field(default_factory=dict)
    """Factors of the rate for parts of the network, by how the names of their parameters begin; the longest wins."""


@dataclass(kw_only=True)
class DropPathConfig:
    """Stochastic depth during training, for models that have it."""

    rate: float | None = None
    """Rate of the deepest block; null keeps what the model was built with."""
    mode: Literal["standard", "early", "late"] = "standard"
    """Always on, on for the first cutoff_epochs only, or off for the first cutoff_epochs."""
    cutoff_epochs: int = 0
    """Where early ends or late begins."""
    ramp: bool = False
    """With early: fall linearly to zero instead of switching off."""


@dataclass(kw_only=True)
class TrainerConfig:
    """How long and on what to train."""

    epochs: int = 100
    """Passes over the training set."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to train."""
    num_devices: int = 1
    """Devices (or, on CPU, processes) of one machine."""
    num_nodes: int = 1
    """Machines, started with torchrun."""
    strategy: str = "auto"
    """Lightning strategy: auto, ddp, fsdp."""
    precision: Literal["32", "bf16", "16"] = "32"
    """Arithmetic: full, or automatic mixed precision."""
    compile: bool = False
    """Compile the network with torch.compile."""
    grad_checkpointing: bool = False
    """Recompute activations to save memory."""
    eval_mode: bool = False
    """Keep the network in evaluation mode while it trains: no stochastic depth, no dropout, fixed batch norms."""
    accumulate: int = 1
    """Batches per optimizer step."""
    ema_decay: float | None = None
    """Keep an exponential moving average of the weights; it is what gets validated and saved."""
    val_every_epochs: int = 1
    """Epochs between validations."""
    monitor: str = "val_loss"
    """What chooses the best weights: val_loss, or val_NAME for a metric that the task logs, such as val_top1."""
    early_stop: int | None = None
    """Stop after so many validations that are no better than the best one."""
    checkpoint_every_steps: int | None = None
    """Also save for resuming every so many steps, not only after each validation."""
    log_every_steps: int = 10
    """Steps between log lines."""
    tensorboard: bool = True
    """Write TensorBoard files beside metrics.csv."""


@dataclass(kw_only=True)
class EvaluationConfig:
    """What is measured on the test set after training."""

    batch_size: int | None = None
    """Samples at a time; the training batch size when null."""
    num_samples: int = 6
    """Test samples whose predictions are stored for the report; 0 stores none."""
    lpips_weights: str | None = None
    """Local file with the AlexNet weights LPIPS needs; without it LPIPS is reported as missing."""
    inception_weights: str | None = None
    """Local file with the Inception weights FID and KID need; without it they are reported as missing."""
    bound_samples: int = 1
    """Samples of every image by which its likelihood is bounded more tightly; 1 for the plain bound alone."""


@dataclass(kw_only=True)
class StageConfig:
    """One of several trainings in a row; each starts from the network of the one before."""

    name: str
    """Name of its folder inside `stages/` of the run folder; the last stage is the run itself."""
    settings: dict[str, Any] = field(default_factory=dict)
    """What differs from the recipe in this stage, nested as in a recipe, for example {trainer: {epochs: 20}}."""


@dataclass(kw_only=True)
class RecipeConfig:
    """Everything one training run needs."""

    task: str
    """A key of subband.tasks.TASKS."""
    model: ModelConfig
    """Network."""
    data: DataConfig
    """Data."""
    loss: list[LossTerm] = field(default_factory=lambda: [LossTerm(name="mse")])
    """Terms of the training loss."""
    optim: OptimConfig = field(default_factory=OptimConfig)
    """Optimizer."""
    drop_path: DropPathConfig = field(default_factory=DropPathConfig)
    """Stochastic depth."""
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    """Training loop."""
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    """Test."""
    seed: int = 0
    """Seed of weights, order and random draws of training; validation and test sets never depend on it."""
    stages: list[StageConfig] = field(default_factory=list)
    """Trainings in a row, each with settings of its own; none is the recipe as it is."""


def stage_recipes(recipe: RecipeConfig) -> dict[str, RecipeConfig]:
    """The recipe of every stage by name, in their order; a recipe without stages is its own only one, named "".

    Raises:
        ValueError: If two stages have one name, a name cannot be that of a folder, or the settings of one do not fit.

    Example:
        >>> stages = [{"name": "warm", "settings": {"trainer": {"epochs": 1}}}, {"name": "main"}]
        >>> recipes = stage_recipes(load_recipe("video_prediction/wast_digits", {"stages": stages}))
        >>> recipes["warm"].trainer.epochs, list(recipes)
        (1, ['warm', 'main'])
    """
    if not recipe.stages:
        return {"": recipe}
    names = [stage.name for stage in recipe.stages]
    for name in names:
        if names.count(name) > 1 or not name or Path(name).name != name or name.startswith("."):
            raise ValueError(f"stages: every stage needs a name of its own that can name a folder, got {name!r}.")
    settings = _plain(recipe)
    settings["stages"] = []
    recipes = {}
    for stage in recipe.stages:
        where = f"stage {stage.name}"
        if "stages" in stage.settings or "task" in stage.settings:
            raise ValueError(f"{where}: a stage can change neither the task nor the stages.")
        recipes[stage.name] = build_recipe(merge(settings, stage.settings), where)
    return recipes


def list_recipes() -> list[str]:
    """Names of the recipes inside the package, `TASK/NAME`."""
    return sorted(path.relative_to(RECIPES).with_suffix("").as_posix() for path in RECIPES.rglob("*.yaml"))


def find_recipe(source: str | Path) -> Path:
    """The file of a recipe given by name (`video_prediction/wast_digits`) or by path.

    Raises:
        FileNotFoundError: If there is none; the closest names are given.
    """
    path = Path(source)
    if path.suffix in {".yaml", ".yml"}:
        if not path.is_file():
            raise FileNotFoundError(f"no recipe file at {path}.")
        return path
    named = RECIPES / f"{source}.yaml"
    if not named.is_file():
        close = difflib.get_close_matches(str(source), list_recipes(), n=3, cutoff=0.3)
        raise FileNotFoundError(f"no recipe {str(source)!r}; closest: {', '.join(close) or 'none'}.")
    return named


def read_recipe(source: str | Path) -> dict[str, Any]:
    """The settings of a recipe as nested dictionaries, its `base:` recipe merged underneath.

    Raises:
        FileNotFoundError: If there is no such recipe.
        ValueError: If it is not a YAML mapping, or has a key no configuration has (the closest is given).
    """
    path = find_recipe(source)
    settings = _read_yaml(path)
    base = settings.pop("base", None)
    if base is not None:
        below = _read_yaml(find_recipe(base))
        if "base" in below:
            raise ValueError(f"{path}: base {base!r} has a base of its own; one level is the limit.")
        settings = merge(below, settings)
    check_keys(settings, RecipeConfig, str(path))
    return settings


def build_recipe(settings: dict[str, Any], where: str = "recipe") -> RecipeConfig:
    """A typed recipe from nested dictionaries.

    Raises:
        ValueError: If a key is unknown, a required one is missing, or a value has the wrong type.
    """
    settings = _plain(settings)
    check_keys(settings, RecipeConfig, where)
    paths = path_arguments((settings.get("data") or {}).get("args"))
    parser = _parser()
    try:
        values = parser.instantiate(parser.parse_object(merge(settings, _data_args(dict.fromkeys(paths, "")))))
    except Exception as error:  # jsonargparse wraps what it finds in several types
        raise ValueError(f"{where}: {' '.join(str(error).split())}") from None
    # Copied, because the parser hands its own defaults out, and a recipe may be changed.
    values = {field.name: values[field.name] for field in dataclasses.fields(RecipeConfig)}
    recipe = copy.deepcopy(RecipeConfig(**values))
    recipe.data.args.update(paths)
    for section, name in WEIGHT_SETTINGS:
        given = (settings.get(section) or {}).get(name)
        if given is not None:  # a text, however a parser of YAML reads it: a folder may be called null
            setattr(getattr(recipe, section), name, given)
    return recipe


def path_arguments(args: dict[str, Any] | None) -> dict[str, str]:
    """Paths among the arguments of a data set, which a parser of YAML would misread: the folder `2024` as a number.

    Args:
        args: The arguments.
    """
    return {key: value for key, value in (args or {}).items() if key in PATH_ARGUMENTS and isinstance(value, str)}


def _data_args(args: dict[str, str]) -> dict[str, Any]:
    return {"data": {"args": args}} if args else {}


@functools.cache
def _parser() -> ArgumentParser:
    """The parser of recipes; reading the types of all settings costs more than parsing one recipe."""
    from jsonargparse import ArgumentParser

    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(RecipeConfig, nested_key=None)
    return parser


def load_recipe(source: str | Path, overrides: dict[str, Any] | None = None) -> RecipeConfig:
    """A recipe by name or path.

    Args:
        source: For example `"video_prediction/wast_digits"`.
        overrides: Nested settings that replace the recipe's.

    Example:
        >>> load_recipe("video_prediction/wast_digits", {"optim": {"lr": 0.01}}).optim.lr
        0.01
    """
    return build_recipe(merge(read_recipe(source), overrides or {}), str(source))


_FREE_KEYS = {
    part.name
    for kind in (ModelConfig, OptimConfig)
    for part in dataclasses.fields(kind)
    if part.default_factory is dict
}


def flatten(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings with dotted keys; mappings whose keys are free, such as `args`, stay whole."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, dict) and key not in _FREE_KEYS:
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[prefix + key] = value
    return flat


def merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """`below` with the values of `above` in their place.

    Mappings are merged key by key. A model, data set or loss of another name starts with arguments of its own.
    """
    merged = dict(below)
    for key, value in above.items():
        old = below.get(key)
        if not (isinstance(old, dict) and isinstance(value, dict)):
            merged[key] = value
            continue
        renamed = "name" in value and value["name"] != old.get("name")
        merged[key] = merge({k: v for k, v in old.items() if not (renamed and k == "args")}, value)
    return merged


def check_keys(settings: Any, config: type, where: str, trail: str = "") -> None:
    """Refuse keys that a configuration class does not have.

    Raises:
        ValueError: Naming the file, the key and the closest existing one.
    """
    if not isinstance(settings, dict):
        raise ValueError(f"{where}: {trail or 'the recipe'} must be a mapping of settings.")
    hints = get_type_hints(config)
    for key, value in settings.items():
        if key not in hints:
            close = difflib.get_close_matches(str(key), hints, n=1, cutoff=0.4)
            hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(hints)}."
            raise ValueError(f"{where}: unknown key {trail + str(key)!r}; {hint}")
        if dataclasses.is_dataclass(hints[key]):
            check_keys(value, hints[key], where, f"{trail}{key}.")
    lists = {"loss": LossTerm, "stages": StageConfig} if config is RecipeConfig else {}
    for key, kind in lists.items():
        for number, item in enumerate(settings.get(key) or []):
            check_keys(item, kind, where, f"{trail}{key}[{number}].")


def recipe_text(recipe: RecipeConfig) -> str:
    """A resolved recipe as YAML that `read_recipe` reads back."""
    return yaml.safe_dump(_plain(recipe), sort_keys=False)


def _plain(value: Any) -> Any:
    """Dictionaries, lists and scalars only, as YAML can hold them."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _plain(dataclasses.asdict(value))
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        settings = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(settings, dict):
        raise ValueError(f"{path} must be a mapping of settings.")
    return settings
