"""Configurations: immutable, validated when they are made, and free of heavy imports.

Every component owns one, a subclass of :class:`Config`. A component that is chosen by name owns a subclass of
:class:`PartConfig`, which can build it; which names there are is not known here: whoever reads names hands a
:class:`Names` down (:meth:`Config.make`), so that choices stay open.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast, runtime_checkable

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, ValidationError, model_validator
from pydantic_core import PydanticCustomError, core_schema

from trueshot.core.errors import ConfigError, TrueshotError
from trueshot.core.validation import first_error, first_wrong

if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass
else:
    ModelMetaclass = type(BaseModel)

_NAMES = "names"

C = TypeVar("C", bound="Config")


class _OneLine(ModelMetaclass):
    """Has a configuration that is made in Python tell of a wrong value in one line too."""

    def __call__(cls, *args: Any, **values: Any) -> Any:
        try:
            return super().__call__(*args, **values)
        except ValidationError as error:
            raise first_error(cast(type[BaseModel], cls), error) from error


class Config(BaseModel, metaclass=_OneLine):
    """A part of the configuration: immutable, keyword-only, and it refuses keys that it does not know.

    Raises:
        ConfigError: one line that names the first value that is wrong, and how.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    @model_validator(mode="before")
    @classmethod
    def _keep_kinds(cls, values: Any) -> Any:
        """Take options that name no component as options of the one that is there by default."""
        if not isinstance(values, Mapping):
            return values
        kinds = {name: info.default.kind for name, info in cls.model_fields.items() if isinstance(info.default, Part)}
        return {
            key: {"kind": kinds[key], **value} if key in kinds and isinstance(value, Mapping) else value
            for key, value in values.items()
        }

    @classmethod
    def make(cls: type[C], values: Mapping[str, Any], names: Names | None = None) -> C:
        """Validate nested plain values; ``names`` finds the components that are chosen by name.

        Raises:
            ConfigError: one line that names the first value that is wrong, and how.
        """
        try:
            return cls.model_validate(dict(values), context={_NAMES: names})
        except ValidationError as error:
            raise first_error(cls, error) from error

    def replace(self: C, **changes: Any) -> C:
        """Return a copy with other values, validated like a new one.

        Raises:
            ConfigError: as :meth:`make`.
        """
        return self.make({name: getattr(self, name) for name in type(self).model_fields} | changes)

    def plain(self) -> dict[str, Any]:
        """Return nested JSON values without those at their defaults: what fingerprints are made of.

        A new option with a default therefore leaves what was made before it valid.
        """
        return self.model_dump(mode="json", exclude_defaults=True)

    def whole(self) -> dict[str, Any]:
        """Return nested JSON values, defaults included: what is written to a run directory."""
        return self.model_dump(mode="json")


class PartConfig(Config):
    """The configuration of a component that is chosen by name; it builds the component."""

    def build(self, context: Any, *inside: Any) -> Any:
        """Return the component; ``context`` offers what it may need (see ``strategies.setup``)."""
        raise TypeError(f"{type(self).__name__} does not say how its component is built")


@dataclass(frozen=True)
class Part:
    """A component chosen by name, and its configuration.

    Attributes:
        kind: the name, as it was given: one of a table, or ``path/file.py:Class``; an evaluator's holds its words and
            wrappers too (``supernet:parameter+twins``).
        config: its options.
        cls: the class of a user's own component, made as ``cls(config, context)``; ``None`` where the configuration
            builds its component itself.
        wrappers: components that are put around it, innermost first, each made with what is inside as a third argument.
        members: what a user's own component must have, by the protocol of its room.
        guard: what is put around a user's own component, ``module:name``; see :mod:`trueshot.core.own`.
    """

    kind: str
    config: Config
    cls: type | None = None
    wrappers: tuple[Part, ...] = ()
    members: tuple[str, ...] = ()
    guard: str = ""

    def build(self, context: Any, *inside: Any) -> Any:
        """Make the component; ``context`` offers what it may need (see ``strategies.setup``).

        Raises:
            ConfigError: when a user's own cannot be made, or lacks a member.
        """
        if self.cls is not None:
            arguments = {"config": self.config, "context": context}
            made = make_own(self.kind, self.cls, arguments, inside, self.members, self.guard)
        else:
            assert isinstance(self.config, PartConfig)
            made = self.config.build(context, *inside)
        return self.wrap(context, made)

    def wrap(self, context: Any, made: Any) -> Any:
        """Put around a component what the choice puts around its own."""
        for wrapper in self.wrappers:
            made = wrapper.build(context, made)
        return made

    @property
    def own(self) -> bool:
        """Whether it is a user's own, or something around it or chosen in its configuration is."""
        chosen = (getattr(self.config, name) for name in type(self.config).model_fields)
        inner = (part for part in (*self.wrappers, *chosen) if isinstance(part, Part))
        return bool(self.guard) or any(part.own for part in inner)

    def bare(self) -> Part:
        """Return the component without what is put around it."""
        return replace(self, wrappers=())

    def says(self, name: str, default: Any = None) -> Any:
        """Return what the component says of itself under ``name``: an attribute of its class or its configuration."""
        return getattr(self.cls, name, getattr(self.config, name, default))

    def plain(self) -> dict[str, Any]:
        """Return the name and the options that are not at their defaults, as JSON values."""
        return {"kind": self.kind, **self.config.plain()}

    def whole(self) -> dict[str, Any]:
        """Return the name and all options, as JSON values."""
        return {"kind": self.kind, **self.config.whole()}


def make_own(
    name: str,
    cls: type,
    arguments: Mapping[str, Any],
    more: tuple[Any, ...] = (),
    members: Collection[str] = (),
    guard: str = "",
) -> Any:
    """Make a user's own component from arguments in their order, and see that it has the members of its room.

    Args:
        name: what the user called it.
        cls: its class.
        arguments: by name.
        more: further arguments, what it is put around.
        members: what it must have.
        guard: what is put around it, ``module:name``.

    Raises:
        ConfigError: in one line that names it and the remedy.
    """
    written = f"{cls.__name__}({', '.join([*arguments, *('inside' for _ in more)])})"
    try:
        made = cls(*arguments.values(), *more)
    except TrueshotError:
        raise
    except (Exception, SystemExit) as error:
        told = f"{type(error).__name__}: {error}"
        raise ConfigError(f"{name} cannot be made as {written}: {told}; add --debug to see where") from error
    absent = [member for member in members if inspect.getattr_static(made, member, None) is None]
    if absent:
        raise ConfigError(f"{name} has no {absent[0]}: define it; such a component has {', '.join(members)}")
    if not guard:
        return made
    where, _, attribute = guard.partition(":")
    return getattr(importlib.import_module(where), attribute)(name, made, arguments)


class Nothing(Config):
    """The configuration of a component without options."""


@dataclass(frozen=True)
class Named:
    """What a name stands for.

    Attributes:
        config: the class of the configuration, a :class:`PartConfig` where ``cls`` is ``None``.
        cls: the class that is made as ``cls(config, context)``.
        values: options that the name itself gives.
        wrappers: what the name puts around the component, innermost first.
        members: what a user's own component must have.
        guard: what is put around a user's own component.
    """

    config: type[Config]
    cls: type | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    wrappers: tuple[Named, ...] = ()
    members: tuple[str, ...] = ()
    guard: str = ""

    def part(self, kind: str, options: Mapping[str, Any], context: Any = None) -> Part:
        """Return the component with options.

        Raises:
            ValidationError: when they are not usable.
        """
        config = self.config.model_validate({**self.values, **options}, context=context)
        wrappers = tuple(wrapper.part(kind, {}, context) for wrapper in self.wrappers)
        return Part(kind, config, self.cls, wrappers, self.members, self.guard)


@runtime_checkable
class Names(Protocol):
    """Finds a component by its name."""

    def __call__(self, room: str, name: str) -> Named:
        """Return what ``name`` stands for among the components of a room, such as ``sampler``.

        Raises:
            ConfigError: one line that says which names there are.
        """


@dataclass(frozen=True)
class Choice:
    """Marks a field whose value is a :class:`Part`, chosen by name: ``Annotated[Part, Choice("sampler")]``.

    A value may be a name, a mapping ``{kind: NAME, option: value ...}``, or a :class:`Part`.
    """

    room: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Validate by :meth:`_validate`, write by :meth:`Part.whole` or :meth:`Part.plain`."""
        return core_schema.with_info_plain_validator_function(
            self._validate,
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda part, info: part.plain() if info.exclude_defaults else part.whole(), info_arg=True
            ),
        )

    def _validate(self, value: Any, info: Any) -> Part:
        if isinstance(value, Part):
            return value
        given = {"kind": value} if isinstance(value, str) else value
        if not isinstance(given, Mapping) or not isinstance(given.get("kind"), str):
            raise PydanticCustomError("choice", "{told}", {"told": f"name a {self.room}, or give kind and options"})
        kind, options = given["kind"], {key: option for key, option in given.items() if key != "kind"}
        names = (info.context or {}).get(_NAMES)
        if names is None:
            raise PydanticCustomError(
                "choice", "{told}", {"told": f"no names of a {self.room} are known here: give a Part(kind, config)"}
            )
        try:
            found = names(self.room, kind)
        except ConfigError as error:
            raise PydanticCustomError("choice", "{told}", {"told": str(error)}) from error
        try:
            part: Part = found.part(kind, options, info.context)
            return part
        except ValidationError as error:
            where, told = first_wrong(found.config, error)
            raise PydanticCustomError("choice", "{told}", {"told": told, "at": where}) from error


@dataclass(frozen=True)
class Flag:
    """Marks a field that an option of the command line sets: ``Annotated[int, Flag("--archs")]``.

    Attributes:
        name: of the option.
        metavar: what stands for the value in the help.
        help: a line for the help; without it the field's description in its class.
        parse: turns the text of the option into the value of the field; without it the text is read as YAML.
        many: whether the option may be given several times, which makes a list.
    """

    name: str
    metavar: str | None = None
    help: str | None = None
    parse: Callable[[str], Any] | None = None
    many: bool = False
