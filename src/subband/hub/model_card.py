"""The model card of a network, `README.md`: written from what is stored beside its weights, and from nothing else.

What is not stored is said to be unknown.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import yaml
from torch import nn

from subband.files import shown
from subband.hub.licences import licence_fields
from subband.hub.tasks_on_hub import TASKS_ON_HUB, TaskOnHub
from subband.hub_client import PREFIX, is_hub_name
from subband.metrics.descriptors import MetricInfo, describe_metrics
from subband.models.registry import model_spec

__all__ = ["Evaluated", "model_card"]

SHOWN_NAMES = 100  # classes or joints
LINE = 118
# Entries of a recipe's data that only say where files lie, or how fast they are read.
PLACES = {"path", "root", "in_memory", "num_workers", "annotations", "images"}


class Evaluated(NamedTuple):
    """What the `scores.json` of a run adds to the card.

    Attributes:
        data: Facts about the test set.
        others: Scores of what the network was compared with, by name.
    """

    data: Mapping[str, Any]
    others: Mapping[str, Mapping[str, Any]]


def model_card(
    model: nn.Module, card: Mapping[str, Any], repository: str, licence: str, evaluated: Evaluated | None = None
) -> str:
    """The text of `README.md`: YAML that the Hub reads, then the same and more for people.

    Args:
        model: The network, for its parameters and its scale.
        card: Contents of its `config.json`.
        repository: `user/name`.
        licence: Of the weights.
        evaluated: From the run folder, where there is one.

    Returns:
        Markdown.
    """
    evaluated = evaluated or Evaluated({}, {})
    metadata, recipe = card["metadata"], _recipe(card["metadata"])
    task = task_of(card)
    sections = {
        "How to use it": _usage(model, card, repository),
        "What it is": _network(model, card),
        "Training data": _data(metadata, recipe),
        "Training": _training(metadata, recipe),
        "Scores": _scores(metadata, task.metrics, evaluated),
        "Licence": _licence(metadata, licence),
        "What it cannot do": _limits(metadata, task.limit),
        "Measured with": _environment(metadata),
    }
    front = yaml.safe_dump(
        _front_matter(card, recipe, repository, licence), sort_keys=False, allow_unicode=True, width=LINE
    )
    paper = model_spec(card["name"]).paper
    title = f"# {repository.partition('/')[2]}\n\n`{card['name']}` {task.words}. Architecture: {_text(paper)}.\n"
    body = "\n".join(f"## {head}\n\n{chr(10).join(lines)}\n" for head, lines in sections.items())
    return f"---\n{front}---\n\n{title}\n{body}"


def task_of(card: Mapping[str, Any]) -> TaskOnHub:
    """What is said of the task of a network.

    Args:
        card: Contents of its `config.json`.

    Raises:
        ValueError: If it is a task of somebody else.
    """
    name = model_spec(card["name"]).task
    if name not in TASKS_ON_HUB:
        raise ValueError(
            f"{card['name']} is for {name}, of which model cards say nothing; tasks are {', '.join(TASKS_ON_HUB)}."
        )
    return TASKS_ON_HUB[name]


def _front_matter(card: Mapping[str, Any], recipe: Mapping[str, Any], repository: str, licence: str) -> dict[str, Any]:
    """What the Hub reads."""
    task, name = task_of(card), model_spec(card["name"]).task
    front: dict[str, Any] = {
        **licence_fields(licence),
        "library_name": "subband",
        "pipeline_tag": task.pipeline_tag,
        "tags": ["subband", name.replace("_", "-"), card["name"], "pytorch"],
    }
    start = (recipe.get("model") or {}).get("weights")
    if isinstance(start, str) and is_hub_name(start):
        front["base_model"] = start.removeprefix(PREFIX).partition("@")[0]
    data = _data_name(card["metadata"], recipe)
    metrics = list(_measured(card["metadata"].get("scores"), task.metrics))
    if data and metrics:  # the Hub wants scores to name their data
        figures = [
            {"type": info.key, "name": info.label, "value": round(info.factor * value, info.decimals)}
            for info, value in metrics
        ]
        kind = {"type": task.pipeline_tag, "name": name.replace("_", " ")}
        result = {"task": kind, "dataset": {"name": data, "type": data}, "metrics": figures}
        front["model-index"] = [{"name": repository.partition("/")[2], "results": [result]}]
    return front


def _measured(scores: Any, table: tuple[MetricInfo, ...]) -> Iterator[tuple[MetricInfo, float]]:
    """The metrics that have a finite value."""
    scores = scores if isinstance(scores, Mapping) else {}
    for info in describe_metrics(table, scores):
        if _is_number(scores[info.key]) and math.isfinite(scores[info.key]):
            yield info, float(scores[info.key])


def _usage(model: nn.Module, card: Mapping[str, Any], repository: str) -> list[str]:
    # Of a network for restoration; other tasks have no scale.
    command = "upscale clip.mp4" if getattr(model, "scale", 1) != 1 else task_of(card).command
    lines = ["```sh", "pip install 'subband[weights]'"]
    lines += [f"subband {command} --model {PREFIX}{repository}"] if command else []
    lines += ["```", "", "```python", "import subband", "", f'model = subband.from_pretrained("{repository}")', "```"]
    return [*lines, "", f"`{PREFIX}{repository}@COMMIT`, or `revision=`, keeps to one version."]


def _network(model: nn.Module, card: Mapping[str, Any]) -> list[str]:
    count = sum(parameter.numel() for parameter in model.parameters())
    arguments = ", ".join(f"{key}={value}" for key, value in card["args"].items())
    lines = [f"- Network: `{card['name']}`" + (f" with `{_text(arguments)}`" if arguments else "") + "."]
    lines += [
        f"- {count:,} parameters, stored as safetensors by subband {_text(card.get('subband_version', 'unknown'))}."
    ]
    metadata = card["metadata"]
    for key in ("classes", "joints"):
        if isinstance(metadata.get(key), list):
            names = [_text(name) for name in metadata[key]]
            more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
            lines.append(f"- {len(names)} {key}: {', '.join(names[:SHOWN_NAMES])}{more}.")
    if isinstance(metadata.get("preprocessing"), Mapping):
        lines.append(
            f"- Preparation of its inputs: {_pairs(metadata['preprocessing'])}; the commands do it by themselves."
        )
    return lines


def _data_name(metadata: Mapping[str, Any], recipe: Mapping[str, Any]) -> str:
    """The name of the data, empty where it is unknown."""
    named = metadata["data"].get("name") if isinstance(metadata.get("data"), Mapping) else None
    return _text(named or (recipe.get("data") or {}).get("name") or "")


def _data(metadata: Mapping[str, Any], recipe: Mapping[str, Any]) -> list[str]:
    lines = []
    data = recipe.get("data") or {}
    if data.get("name"):
        args = {key: value for key, value in (data.get("args") or {}).items() if key not in PLACES}
        lines.append(f"- `{_text(data['name'])}` of subband" + (f" with {_pairs(args)}." if args else "."))
    if isinstance(metadata.get("data"), Mapping):
        lines += [f"- {_text(key)}: {_text(value)}" for key, value in metadata["data"].items()]
    if "converted_from" in metadata:
        lines.append(f"- Weights of other authors, from their file {_text(metadata['converted_from'])}.")
    return lines or ["Unknown: nothing about it is stored with the weights."]


def _training(metadata: Mapping[str, Any], recipe: Mapping[str, Any]) -> list[str]:
    lines = []
    if recipe:
        trainer, optim, data, model = (recipe.get(key) or {} for key in ("trainer", "optim", "data", "model"))
        losses = ", ".join(f"{term.get('weight', 1)} x {_text(term.get('name'))}" for term in recipe.get("loss") or [])
        lines += [
            f"- {optim.get('name', 'unknown')}, learning rate {optim.get('lr', 'unknown')}, schedule "
            f"{optim.get('schedule', 'unknown')}; {trainer.get('epochs', 'unknown')} epochs, batches of "
            f"{data.get('batch_size', 'unknown')}; loss {losses or 'unknown'}."
        ]
        lines += [f"- Started from {_text(model['weights'])}."] if model.get("weights") else []
        if recipe.get("stages"):
            lines.append(f"- Stages: {', '.join(_text(stage.get('name')) for stage in recipe['stages'])}.")
        lines.append("- The whole recipe stands in `config.json` at `metadata.recipe`.")
    facts = metadata.get("training")
    if isinstance(facts, Mapping):
        for key, value in facts.items():
            if isinstance(value, list):
                lines += [f"- {_text(key)}: {_text(item)}" for item in value]
            else:
                lines.append(f"- {_text(key).replace('_', ' ')}: {'unknown' if value is None else _text(value)}")
    return lines or ["Unknown: nothing about it is stored with the weights."]


def _scores(metadata: Mapping[str, Any], table: tuple[MetricInfo, ...], evaluated: Evaluated) -> list[str]:
    scores = metadata.get("scores")
    if not isinstance(scores, Mapping) or not scores:
        return ["Unknown: no scores are stored with the weights."]
    stored = {key.removesuffix("_scores"): metadata[key] for key in metadata if key.endswith("_scores")}
    others = {name: row for name, row in {**stored, **evaluated.others}.items() if isinstance(row, Mapping)}
    known = describe_metrics(table, scores)
    lines = [" | ".join(["| metric", "this network", *map(_text, others), "better |"])]
    lines += ["|---" * (3 + len(others)) + "|"]
    for info in known:
        values = (info.text(row.get(info.key)) for row in (scores, *others.values()))
        lines += [" | ".join([f"| {info.label}", *values, "higher |" if info.higher_is_better else "lower |"])]
    rest = {key: value for key, value in scores.items() if key not in {info.key for info in known}}
    for key, value in rest.items():
        if _is_number(value):
            lines += [
                " | ".join(
                    [f"| {_text(key)}", f"{value:g}", *(_number(row, key) for row in others.values()), "unknown |"]
                )
            ]
    lines += [""]
    protocol = {key: value for key, value in rest.items() if isinstance(value, str)}
    test_set = {key: value for key, value in evaluated.data.items() if isinstance(value, str | int | float)}
    said = [f"{_text(key)}: {_text(value)}" for key, value in {**test_set, **protocol}.items()]
    lines += [f"- Test set: {'; '.join(said)}." if said else "- Test set: that of the data above; more is not stored."]
    seed = (metadata.get("training") or {}).get("seed")
    runs = "unknown" if seed is None else f"{seed}; one run, so how much other seeds differ is unknown"
    lines += [f"- Seed: {runs}."]
    for info in known:
        by = f" Protocol: {info.protocol}." if info.protocol else ""
        lines += [f"- {info.label}: {info.definition}{by}"]
    left = [key for key, value in rest.items() if not _is_number(value) and not isinstance(value, str | None)]
    return lines + ([f"- More stands in `config.json`: {', '.join(map(_text, left))}."] if left else [])


def _licence(metadata: Mapping[str, Any], licence: str) -> list[str]:
    data = metadata["data"].get("license") if isinstance(metadata.get("data"), Mapping) else None
    of_data = _text(data) if data else "not stored with the weights"
    return [f"The weights: {_text(licence)}, as stated by who uploaded them. Their training data: {of_data}."]


def _limits(metadata: Mapping[str, Any], of_task: str) -> list[str]:
    limits = metadata.get("limits")
    stated = [limits] if isinstance(limits, str) else list(limits or [])
    lines = [f"- {_text(limit)}" for limit in stated]
    lines += [f"- {of_task}"]
    if metadata.get("scores"):
        lines += ["- Of other data than that of the scores above nothing is known."]
    return lines if stated else [*lines, "- Other limits are unknown: none are stored with the weights."]


def _environment(metadata: Mapping[str, Any]) -> list[str]:
    facts = metadata.get("environment")
    if not isinstance(facts, Mapping) or not facts:
        return ["Unknown."]
    return [
        f"- {_text(key)}: " + (f"`{_text(value)}`" if key == "command" else _text(value))
        for key, value in facts.items()
    ]


def _recipe(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    """The stored recipe, empty where there is none that can be read."""
    try:
        recipe = yaml.safe_load(str(metadata.get("recipe") or ""))
    except yaml.YAMLError:
        return {}
    return recipe if isinstance(recipe, Mapping) else {}


def _number(row: Mapping[str, Any], key: str) -> str:
    return f"{row[key]:g}" if _is_number(row.get(key)) else "-"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _pairs(values: Mapping[str, Any]) -> str:
    return _text(", ".join(f"{key} {value}" for key, value in values.items()))


def _text(value: Any) -> str:
    """A stored value as one line that breaks no table and is no markup."""
    if isinstance(value, Mapping):
        return _pairs(value)
    words = shown(" ".join(str(value).split()))
    return words.replace("|", "\\|").replace("<", "&lt;").replace("`", "'")
