"""The one table of names that the command line knows, and how a user's own class is found.

A new component is one new file and one line here. A path names a class: of a configuration that builds its component
(:class:`~trueshot.core.config.PartConfig`), or of a component that is made as ``Class(config, context)``.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from trueshot.core.config import Config, Named, Nothing, PartConfig
from trueshot.core.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from trueshot.spaces import Space

TABLE: Mapping[str, Mapping[str, str]] = {
    "space": {
        "chain": "trueshot.spaces.chain:Chain",
        "topology": "trueshot.spaces.topology:Topology",
        "nasbench201": "trueshot.spaces.nasbench201:NasBench201",
    },
    "cost": {
        "madds": "trueshot.spaces.costs:Madds",
        "params": "trueshot.spaces.costs:Params",
        "size": "trueshot.spaces.size:Size",
    },
    "sharing": {
        "plain": "trueshot.sharing.config:PlainConfig",
        "bias": "trueshot.sharing.config:BiasConfig",
        "shared-bias": "trueshot.sharing.config:SharedBiasConfig",
        "attention": "trueshot.sharing.config:AttentionConfig",
        "split": "trueshot.sharing.config:SplitConfig",
    },
    "sampler": {
        "auto": "trueshot.sampling.config:AutoConfig",
        "uniform": "trueshot.sampling.config:UniformConfig",
        "matched": "trueshot.sampling.config:MatchedConfig",
        "fair": "trueshot.sampling.config:FairConfig",
        "deisomorphic": "trueshot.sampling.config:DeisomorphicConfig",
        "lazy-deisomorphic": "trueshot.sampling.config:LazyDeisomorphicConfig",
        "pool": "trueshot.sampling.config:PoolConfig",
    },
    "evaluator": {
        "supernet": "trueshot.evaluation.config:SupernetScoreConfig",
        "train": "trueshot.evaluation.config:TrainScoreConfig",
        "predicted": "trueshot.evaluation.config:PredictedScoreConfig",
        "zero-cost": "trueshot.evaluation.fusion_config:ZeroCostScoreConfig",
        "fused": "trueshot.evaluation.fusion_config:FusedConfig",
    },
    "evaluator wrapper": {
        "twins": "trueshot.evaluation.config:TwinsConfig",
    },
    "predictor": {
        "ridge": "trueshot.prediction.config:RidgeConfig",
    },
    "proposer": {
        "nsga2": "trueshot.search.config:NSGA2Config",
        "random": "trueshot.search.config:RandomSearchConfig",
        "evolution": "trueshot.search.config:EvolutionConfig",
        "guided": "trueshot.search.config:GuidedConfig",
    },
    "strategy": {
        "one-shot": "trueshot.strategies.config:OneShotConfig",
        "random": "trueshot.strategies.config:RandomConfig",
        "evolution": "trueshot.strategies.config:RegularisedEvolutionConfig",
    },
    "study": {
        "stnas-table1": "trueshot.studies.stnas_table1:STUDY",
        "stnas-table2": "trueshot.studies.stnas_table2:STUDY",
        "stnas-table3": "trueshot.studies.stnas_table3:STUDY",
        "stnas-table5": "trueshot.studies.stnas_table5:STUDY",
        "stnas-fig4": "trueshot.studies.stnas_fig4:STUDY",
        "stnas-fig5": "trueshot.studies.stnas_fig5:STUDY",
        "stnas-sampling": "trueshot.studies.stnas_sampling:STUDY",
        "stnas-momentum": "trueshot.studies.stnas_momentum:STUDY",
        "surgery-table2": "trueshot.studies.surgery_table2:STUDY",
        "surgery-table3": "trueshot.studies.surgery_table3:STUDY",
        "surgery-table4": "trueshot.studies.surgery_table4:STUDY",
        "surgery-fig2": "trueshot.studies.surgery_fig2:STUDY",
        "surgery-fig3a": "trueshot.studies.surgery_fig3a:STUDY",
        "surgery-fig3b": "trueshot.studies.surgery_fig3b:STUDY",
        "surgery-fig3c": "trueshot.studies.surgery_fig3c:STUDY",
        "surgery-figA3": "trueshot.studies.surgery_fig_a3:STUDY",
        "surgery-section44": "trueshot.studies.surgery_section44:STUDY",
        "interchoice-table1": "trueshot.studies.interchoice_table1:STUDY",
        "interchoice-table2": "trueshot.studies.interchoice_table2:STUDY",
        "interchoice-fig3": "trueshot.studies.interchoice_fig3:STUDY",
        "interchoice-fig4": "trueshot.studies.interchoice_fig4:STUDY",
        "interchoice-fig4-panels": "trueshot.studies.interchoice_panels:FIG4",
        "interchoice-fig5": "trueshot.studies.interchoice_fig5:STUDY",
        "interchoice-fig6": "trueshot.studies.interchoice_fig6:STUDY",
        "interchoice-fig6-nasbench201": "trueshot.studies.interchoice_fig6:NASBENCH201",
        "interchoice-fig7": "trueshot.studies.interchoice_fig7:STUDY",
        "interchoice-fig8": "trueshot.studies.interchoice_fig8:STUDY",
        "interchoice-fig8-panels": "trueshot.studies.interchoice_panels:FIG8",
        "interchoice-fig9": "trueshot.studies.interchoice_fig5:FIG9",
        "interchoice-fig10": "trueshot.studies.interchoice_table2:FIG10",
        "interchoice-appendixC": "trueshot.studies.interchoice_panels:APPENDIX_C",
        "interchoice-appendixD": "trueshot.studies.interchoice_panels:APPENDIX_D",
    },
}
"""Names by room, and where what they stand for is; text, so that nothing is imported before it is needed."""


PROTOCOLS: Mapping[str, str] = {
    "cost": "trueshot.spaces.costs:Cost",
    "sharing": "trueshot.sharing.config:Shares",
    "sampler": "trueshot.sampling.samplers:Sampler",
    "evaluator": "trueshot.evaluation.protocol:Evaluator",
    "evaluator wrapper": "trueshot.evaluation.protocol:Evaluator",
    "predictor": "trueshot.prediction.protocol:Predictor",
    "proposer": "trueshot.search.protocol:Proposer",
    "strategy": "trueshot.strategies.protocol:Strategy",
}
"""What a user's own component of a room must be."""

_OPTIONAL: Mapping[str, tuple[str, ...]] = {"strategy": ("check", "forecast")}
"""What it may do without: what the guard of its room knows how to leave out."""

GUARDS: Mapping[str, str] = {
    "cost": "trueshot.spaces.own:guarded",
    "sharing": "trueshot.sharing.own:OwnSharing",
    "sampler": "trueshot.sampling.own:guarded",
    "evaluator": "trueshot.evaluation.own:OwnEvaluator",
    "evaluator wrapper": "trueshot.evaluation.own:OwnEvaluator",
    "predictor": "trueshot.prediction.own:OwnPredictor",
    "proposer": "trueshot.search.own:OwnProposer",
    "strategy": "trueshot.strategies.own:OwnStrategy",
}
"""What is put around a user's own component of a room, to look at what it gives."""


def find(room: str, name: str) -> Named:
    """Return what a name stands for, or a user's own class, ``module:Class`` or ``path/file.py:Class``.

    An evaluator's name may have words and wrappers: ``supernet:parameter+twins``
    (:class:`~trueshot.evaluation.config.EvaluatorName`). The name of a predictor is one too: that of an evaluator which
    fits it to a table.

    Raises:
        ConfigError: when there is no such name, file, module or class.
    """
    return _evaluator(name) if room == "evaluator" else _named(room, name)


_UNTRAINED = ("fused-zero-cost", "az")
"""Evaluators that add up what costs no training."""


def _named(room: str, name: str, known: Collection[str] = ()) -> Named:
    cls = find_class(room, name, known)
    if issubclass(cls, PartConfig):
        return Named(cls)
    own = getattr(cls, "Config", Nothing)
    if not (isinstance(own, type) and issubclass(own, Config)):
        raise ConfigError(f"{room} '{name}': its Config is no subclass of trueshot.core.config.Config: derive it")
    guard = "" if name in TABLE[room] else GUARDS.get(room, "")
    return Named(own, cls, members=members_of(room), guard=guard)


def refuse_own_code(stored: Any, said: Any, where: str) -> None:
    """Refuse values that name classes of users, which would be imported and so run, unless the user said them too.

    Args:
        stored: values that a file brought along, nested.
        said: what the user said in this command, nested.
        where: where the stored values come from, for the message.

    Raises:
        ConfigError: naming the first.
    """
    typed = set(_texts(said))
    for text in _texts(stored):
        if _OWN.search(text) and text not in typed:
            raise ConfigError(
                f"{where} uses {text}, code of its own, which is not run: add --trust-code (in Python"
                " trust_code=True) if you trust it, or name it in this command too"
            )


def names_own_code(stored: Any) -> bool:
    """Return whether nested values name classes of users."""
    return any(_OWN.search(text) for text in _texts(stored))


_OWN = re.compile(r"\.py:\w+|^\w+(\.\w+)+:\w+$")
"""What names a class in a file or in a module; evaluators have colons too, but no points before them."""


def _texts(values: Any) -> Iterator[str]:
    """Return all texts among nested values."""
    if isinstance(values, str):
        yield values
    elif isinstance(values, Mapping):
        for value in values.values():
            yield from _texts(value)
    elif isinstance(values, Sequence):
        for value in values:
            yield from _texts(value)


def members_of(room: str) -> tuple[str, ...]:
    """Return the names of what a component of a room must have; none where any callable will do."""
    where, _, name = PROTOCOLS.get(room, "").partition(":")
    if not where:
        return ()
    protocol = getattr(importlib.import_module(where), name)
    members = (member for member in vars(protocol) if member == "__call__" or not member.startswith("_"))
    return tuple(member for member in members if member not in _OPTIONAL.get(room, ()))


def _evaluator(text: str) -> Named:
    from trueshot.evaluation.config import (
        TABLES,
        EvaluatorConfig,
        EvaluatorName,
        PredictedScoreConfig,
        TableScoreConfig,
    )
    from trueshot.evaluation.fusion_config import FUSED_AZ, FusedConfig, ZeroCostScoreConfig
    from trueshot.evaluation.proxies.names import ZERO_COST

    name = EvaluatorName.parse(text)
    wrappers = tuple(_named("evaluator wrapper", wrapper) for wrapper in name.wrappers)
    predictor, colon, file = name.head.partition(":")
    if predictor in TABLE["predictor"]:
        words = PredictedScoreConfig.words((file, *name.words) if colon else name.words)
        return Named(PredictedScoreConfig, None, {"predictor": predictor, **words}, wrappers)
    if Path(name.head).suffix.lower() in TABLES:
        return Named(TableScoreConfig, None, {"file": name.head, **TableScoreConfig.words(name.words)}, wrappers)
    if name.head in ZERO_COST and not name.words:
        return Named(ZeroCostScoreConfig, None, {"proxy": name.head}, wrappers)
    if name.head in _UNTRAINED and not name.words:
        parts = FUSED_AZ if name.head == "az" else ()
        return Named(FusedConfig, None, {"trained": False, "parts": parts}, wrappers)
    known = (*TABLE["evaluator"], *TABLE["predictor"], *ZERO_COST, *_UNTRAINED)
    found = _named("evaluator", name.head, known)
    if issubclass(found.config, EvaluatorConfig):
        return Named(found.config, found.cls, found.config.words(name.words), wrappers)
    if name.words:
        raise ConfigError(f"evaluator '{text}': '{name.words[0]}' behind {name.head} says nothing to it: leave it out")
    return Named(found.config, found.cls, {}, wrappers, found.members, found.guard)


def find_class(room: str, name: str, known: Collection[str] = ()) -> type:
    """Return the class that a name stands for; ``known`` are the names of a message about an unknown one.

    Raises:
        ConfigError: as :func:`find`.
    """
    where, _, attribute = TABLE[room].get(name, name).rpartition(":")
    if not where or not attribute:
        if name.endswith(".py"):
            raise ConfigError(f"{room} '{name}' is a file: name its class after a colon, {name}:CLASS")
        known = known or TABLE[room].keys()
        also = "; a table of truth: FILE.parquet or FILE.csv" if room == "evaluator" else ""
        raise ConfigError(f"unknown {room} '{name}'{did_you_mean(name, known)} (your own: path/file.py:Class{also})")
    found = getattr(_module(where), attribute, None)
    if not isinstance(found, type):
        raise ConfigError(f"{room} '{name}': there is no class {attribute} in {where}: name one after the colon")
    return found


def find_study(name: str) -> Any:
    """Import the record of the study called ``name``, or of a user's own, ``path/file.py:NAME``.

    Raises:
        ConfigError: when there is none.
    """
    where, _, attribute = TABLE["study"].get(name, name).rpartition(":")
    if not where:
        raise ConfigError(
            f"unknown study '{name}'{did_you_mean(name, TABLE['study'].keys())} (`trueshot study list` shows all)"
        )
    if (found := getattr(_module(where), attribute, None)) is None:
        raise ConfigError(f"study '{name}': there is no {attribute} in {where}: name one after the colon")
    return found


def make_space(name: str, arguments: Mapping[str, Any]) -> Space:
    """Make the space called ``name``; arguments that are ``None`` keep their defaults, ``plan`` names some at once.

    Raises:
        ConfigError: when there is no such space, or it does not take the arguments.
    """
    from trueshot.spaces.space import Space

    cls = find_class("space", name)
    if not issubclass(cls, Space):
        raise ConfigError(f"space '{name}' is no subclass of trueshot.spaces.Space: name the class of a space")
    plan = arguments.get("plan")
    if plan is not None and cls.plans:
        if plan not in cls.plans:
            raise ConfigError(f"space.arguments.plan: space {name} has no plan '{plan}'{did_you_mean(plan, cls.plans)}")
        arguments = {**cls.plans[plan], **{key: value for key, value in arguments.items() if key != "plan"}}
    known = [field.name for field in fields(cls) if field.init]
    for key in arguments:
        if key not in known:
            raise ConfigError(f"space.arguments.{key}: space {name} takes no such argument{did_you_mean(key, known)}")
    given = {key: value for key, value in arguments.items() if value is not None}
    try:
        made = cls(**given)
    except TypeError as error:
        raise ConfigError(f"space '{name}' cannot be made with {given}: {error}") from error
    if name not in TABLE["space"]:
        from trueshot.spaces.own import check_space

        check_space(made, name, classes=given.get("classes") is not None)
    return made


def _module(where: str) -> ModuleType:
    """Import a file, or a module as Python run in the working directory would."""
    from trueshot.core.modules import import_failed, import_file

    if where.endswith(".py"):
        return import_file(Path(where))
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(where)
    except (Exception, SystemExit) as error:
        raise import_failed(where, error) from error
