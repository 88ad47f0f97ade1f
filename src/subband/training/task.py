"""The contract of a task: everything the training loop, the commands and the report ask, in one class."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from subband.config import DropPathConfig, OptimConfig, RecipeConfig
from subband.data.loader import stack_samples
from subband.data.registry import build_data
from subband.metrics.descriptors import MetricInfo
from subband.models.arguments import Inputs
from subband.models.checkpoint import load_model
from subband.models.registry import model_spec
from subband.training.evaluation import Evaluation
from subband.training.options import check_evaluation, check_options
from subband.training.start import start_from

if TYPE_CHECKING:
    from subband.visual.report.task_report import TaskReport


class Losses(NamedTuple):
    """What one training step computed.

    Attributes:
        terms: Weighted terms by name; their sum is minimized.
        logged: Further values for the log, by name.
    """

    terms: dict[str, Tensor]
    logged: dict[str, Tensor] = {}  # noqa: RUF012  never written to


class Task(ABC):
    """What is particular about one kind of training: its data, network, losses, scores and pages.

    Shared code asks a task, never its name. A task is plain Python: Lightning is met only in `subband.training.module`,
    so that `info`, `export` and `report` work without it.

    Args:
        recipe: The whole recipe, or that of one stage.
        model: The network to train.
        spec: What the data promises.

    Attributes:
        teacher: A frozen network that losses may ask, where the recipe names one.

    Raises:
        ValueError: If the recipe asks for what the task or the network does not have.
    """

    title: ClassVar[str]
    """The task in words, for headings."""
    metrics: ClassVar[tuple[MetricInfo, ...]]
    """Every metric that `evaluate` may give; the first is the headline."""
    data_type: ClassVar[type]
    """Class of what `build_data` returns, with `train`, `val`, `test` and `spec`."""
    input_axes: ClassVar[str]
    """Axes of the network's input, for example `B C H W`."""
    uses_teacher: ClassVar[bool] = False
    """Whether a loss asks `teacher`."""
    max_samples: ClassVar[int] = 4
    """Stored test samples that the report shows of each run."""
    folder_dataset: ClassVar[str | None] = None
    """Data set that reads a folder of the user's media, where weights can be scored on one without a recipe."""

    def __init__(self, recipe: RecipeConfig, model: nn.Module, spec: Any) -> None:
        monitors = self.monitors()
        if recipe.trainer.monitor not in monitors:
            names = " or ".join(monitors)
            raise ValueError(f"trainer.monitor must be {names} for {recipe.task}, got {recipe.trainer.monitor}.")
        if recipe.model.teacher is not None and not self.uses_teacher:
            raise ValueError(f"model.teacher is set, but no loss of {recipe.task} asks a teacher.")
        check_options(recipe)
        check_evaluation(recipe, self.metrics)
        check_drop_path(recipe.drop_path, model)
        self.recipe = recipe
        self.model: Any = model
        self.spec = spec
        self.teacher: Any = None

    # Data

    @classmethod
    def build_data(cls, recipe: RecipeConfig) -> Any:
        """Training, validation and test sets of a recipe: an object with `train`, `val`, `test` and `spec`.

        Raises:
            ValueError: If the data set is made for another task.
        """
        data = build_data(recipe.data.name, recipe.data.args, recipe.seed)
        if not isinstance(data, cls.data_type):
            wanted, given = cls.data_type.__name__, type(data).__name__
            raise ValueError(f"{recipe.task} needs {wanted}, but the data set {recipe.data.name!r} is {given}.")
        return data

    @staticmethod
    def collate(samples: Sequence[Any]) -> Any:
        """A batch from samples; by default tensors are stacked. Override it for targets of varying length."""
        return stack_samples(samples)

    @staticmethod
    def folder_args(source: str, *, only_test: bool) -> dict[str, Any]:
        """Arguments of `folder_dataset` that prepare media as stored weights want them.

        Args:
            source: Whatever `subband.load_model` takes.
            only_test: Take everything for the test set.
        """
        return {}

    @staticmethod
    def batch_size(batch: Any) -> int:
        """Number of samples in a batch."""
        return len(batch[0])

    @staticmethod
    @abstractmethod
    def describe_data(facts: Mapping[str, Any]) -> str:
        """The amount of test data in a few words, from the `data` of `scores.json`."""

    # Network

    @classmethod
    @abstractmethod
    def build_model(cls, recipe: RecipeConfig, spec: Any) -> nn.Module:
        """The recipe's network with fresh weights, shaped for the data."""

    @staticmethod
    @abstractmethod
    def example_input(model: Any, *, batch: int, height: int | None, width: int | None) -> Inputs:
        """What `model` is called with, random in [0, 1], the same in every run: a tensor, or a tuple of arguments.

        Args:
            model: Network of this task.
            batch: Samples.
            height: H; that of training by default.
            width: W; that of training by default.
        """

    @staticmethod
    def start_stage(model: nn.Module, previous: nn.Module) -> None:
        """Give a stage's network the weights of the stage before; by default all of them.

        Raises:
            ValueError: If the two networks differ.
        """
        try:
            model.load_state_dict(previous.state_dict())
        except RuntimeError as error:
            raise ValueError(f"the network of a stage does not take the weights of the one before: {error}") from None

    @staticmethod
    def start_weights(model: nn.Module, source: str) -> None:
        """Give a network the weights that the recipe names in `model.weights`; see `start_from`.

        Args:
            model: Network of the recipe.
            source: Whatever `subband.load_model` takes.

        Raises:
            ValueError: If the weights do not fit.
        """
        start_from(model, source)

    @staticmethod
    def build_teacher(recipe: RecipeConfig, previous: nn.Module | None) -> nn.Module | None:
        """The frozen network beside the trained one, or None if the recipe names none.

        Args:
            recipe: `model.teacher` is whatever `subband.load_model` takes, or `previous`.
            previous: Network of the stage before.

        Raises:
            ValueError: If `previous` is asked for in a first stage.
        """
        source = recipe.model.teacher
        if source is None:
            return None
        if source == "previous" and previous is None:
            raise ValueError("model.teacher is previous, but no stage comes before this one.")
        teacher = previous if source == "previous" else load_model(source)
        assert teacher is not None
        return teacher.eval().requires_grad_(False)

    @staticmethod
    def baselines(spec: Any) -> dict[str, nn.Module]:
        """Networks without training that every table shows; none by default."""
        return {}

    @staticmethod
    def model_metadata(spec: Any) -> dict[str, Any]:
        """Facts a predictor needs beside the weights; none by default."""
        return {}

    # Training

    def prepare(self, data: Any) -> None:  # noqa: B027  most tasks have nothing to look at
        """Look at the data before the first step of a network with fresh weights; by default nothing.

        Args:
            data: What `build_data` returns.
        """

    def prepare_trained(self, data: Any) -> None:  # noqa: B027  as above
        """Look at the data before the first step of a network with the weights of a stage before or of `model.weights`.

        By default nothing.

        Args:
            data: What `build_data` returns.
        """

    def parts(self) -> dict[str, nn.Module]:
        """What each optimizer trains, in the order of their turns within a step; by default one trains everything."""
        return {"model": self.model}

    def optim_config(self, part: str) -> OptimConfig:
        """Optimizer and schedule of a part; by default those of the recipe."""
        return self.recipe.optim

    @abstractmethod
    def losses(self, batch: Any, part: str) -> Losses:
        """Loss of a batch for the part whose turn it is."""

    def compile_network(self) -> None:
        """Compile what `losses` calls."""
        self.model.compile()

    @abstractmethod
    def validate(self, batch: Any) -> dict[str, Tensor]:
        """Means over a validation batch by name; `loss` is one of them."""

    def validation_scores(self) -> dict[str, float]:
        """Scores of the validation set whose batches `validate` has seen since the last call."""
        return {}

    def running_metrics(self) -> nn.Module | None:
        """Metric objects that `validate` updates, to be moved to the device with the network."""
        return None

    def helpers(self) -> nn.Module | None:
        """Networks that losses train beside the network and that are not saved with it; none by default.

        They are moved, stored and resumed with the run; `parts` says which optimizer trains them.
        """
        return None

    @classmethod
    def monitors(cls) -> dict[str, str]:
        """What may choose the best weights, and whether its `min` or `max` is best."""
        return {"val_loss": "min"} | {f"val_{item.key}": item.mode for item in cls.metrics if item.is_logged}

    # Scores and pages

    @staticmethod
    @abstractmethod
    def evaluate(recipe: RecipeConfig, models: dict[str, Any], data: Any, device: torch.device) -> Evaluation:
        """Score networks on the test set and keep some samples with their predictions."""

    @staticmethod
    @abstractmethod
    def check_samples(inputs: np.ndarray, targets: np.ndarray, predictions: dict[str, np.ndarray]) -> bool:
        """Whether stored samples that were read back belong together.

        Args:
            inputs: `(N, ...)` uint8.
            targets: `(N, ...)`.
            predictions: By label.
        """

    @classmethod
    @abstractmethod
    def report(cls) -> TaskReport:
        """The parts of the report that are about this task."""


def check_drop_path(config: DropPathConfig, model: nn.Module) -> None:
    """Refuse a rate that shall change during training for a network that cannot change it.

    Raises:
        ValueError: If so.
    """
    if config.mode != "standard" and not hasattr(model, "set_drop_path_rate"):
        raise ValueError(f"drop_path.mode must be standard for {type(model).__name__}, got {config.mode}.")


def model_arguments(recipe: RecipeConfig) -> dict[str, Any]:
    """Arguments of the network that a recipe names, lists as tuples.

    Raises:
        ValueError: If the network is for another task.
    """
    name, task = recipe.model.name, model_spec(recipe.model.name).task
    if task != recipe.task:
        raise ValueError(f"model {name!r} is for {task}, the recipe for {recipe.task}.")
    return {key: tuple(value) if isinstance(value, list) else value for key, value in recipe.model.args.items()}


def take_count(args: dict[str, Any], argument: str, count: int, things: str) -> None:
    """Set the argument that says how many classes or joints there are, unless the recipe does.

    Args:
        args: Changed in place.
        argument: Its name.
        count: What the data has.
        things: What is counted, for the message.

    Raises:
        ValueError: If the recipe says another number.
    """
    if args.setdefault(argument, count) != count:
        raise ValueError(f"model.args.{argument} is {args[argument]}, but the data has {count} {things}.")


def drop_path_argument(name: str, rate: float) -> dict[str, float]:
    """The argument that sets the stochastic depth of a named network.

    Raises:
        ValueError: If it has none.
    """
    known = inspect.signature(model_spec(name).builder).parameters
    for argument in ("drop_path_rate", "drop_path"):
        if argument in known:
            return {argument: rate}
    raise ValueError(f"drop_path.rate is set, but model {name!r} has no stochastic depth.")


def random_input(shape: Sequence[int]) -> Tensor:
    """Random numbers in [0, 1], the same in every run.

    Raises:
        ValueError: If a size is not positive.
    """
    if min(shape) < 1:
        raise ValueError(f"batch, height and width must be positive, got {shape[0]}, {shape[-2]} and {shape[-1]}.")
    return torch.rand(tuple(shape), generator=torch.Generator().manual_seed(0))
