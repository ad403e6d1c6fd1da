"""Configurations: immutable, validated when they are made, and free of heavy imports.

Every component owns one, a subclass of :class:`Config`. A component that is chosen by name owns a subclass of
:class:`PartConfig`, which can build it; which names there are is not known here: whoever reads names hands a
:class:`Names` down (:meth:`Config.make`), so that choices stay open.
"""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast, runtime_checkable

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, ValidationError, model_validator
from pydantic_core import PydanticCustomError, core_schema

from trueshot.core.errors import ConfigError, TrueshotError

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
    """

    kind: str
    config: Config
    cls: type | None = None
    wrappers: tuple[Part, ...] = ()
    members: tuple[str, ...] = ()

    def build(self, context: Any, *inside: Any) -> Any:
        """Make the component; ``context`` offers what it may need (see ``strategies.setup``).

        Raises:
            ConfigError: when a user's own cannot be made, or lacks a member.
        """
        if self.cls is not None:
            made = make_own(self.kind, self.cls, {"config": self.config, "context": context}, inside, self.members)
        else:
            assert isinstance(self.config, PartConfig)
            made = self.config.build(context, *inside)
        return self.wrap(context, made)

    def wrap(self, context: Any, made: Any) -> Any:
        """Put around a component what the choice puts around its own."""
        for wrapper in self.wrappers:
            made = wrapper.build(context, made)
        return made

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
    name: str, cls: type, arguments: Mapping[str, Any], more: tuple[Any, ...] = (), members: Collection[str] = ()
) -> Any:
    """Make a user's own component from arguments in their order, and see that it has the members of its room.

    Raises:
        ConfigError: in one line that names it and the remedy.
    """
    written = f"{cls.__name__}({', '.join([*arguments, *('inside' for _ in more)])})"
    try:
        made = cls(*arguments.values(), *more)
    except TrueshotError:
        raise
    except Exception as error:
        told = f"{type(error).__name__}: {error}"
        raise ConfigError(f"{name} cannot be made as {written}: {told}; add --debug to see where") from error
    absent = [member for member in members if inspect.getattr_static(made, member, None) is None]
    if absent:
        raise ConfigError(f"{name} has no {absent[0]}: its room asks for {', '.join(members)}")
    return made


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
    """

    config: type[Config]
    cls: type | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    wrappers: tuple[Named, ...] = ()
    members: tuple[str, ...] = ()

    def part(self, kind: str, options: Mapping[str, Any], context: Any = None) -> Part:
        """Return the component with options.

        Raises:
            ValidationError: when they are not usable.
        """
        config = self.config.model_validate({**self.values, **options}, context=context)
        wrappers = tuple(wrapper.part(kind, {}, context) for wrapper in self.wrappers)
        return Part(kind, config, self.cls, wrappers, self.members)


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
            where, told = _first(found.config, error)
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


def first_error(cls: type[BaseModel], error: ValidationError) -> ConfigError:
    """Return an error of validation in a line: the first value that is wrong, and how many more are."""
    where, told = _first(cls, error)
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return ConfigError(f"configuration value {where}: {told}{more}" if where else f"configuration: {told}{more}")


def _first(cls: type[BaseModel], error: ValidationError) -> tuple[str, str]:
    """Return where the first wrong value stands, by a dotted name, and what is wrong with it."""
    first = error.errors(include_url=False)[0]
    *outer, last = first["loc"] or ("",)
    context: Mapping[str, Any] = first.get("ctx") or {}
    where = ".".join(str(part) for part in (*first["loc"], context.get("at", "")) if part != "")
    if first["type"] == "extra_forbidden":
        return where, _unknown(str(last), _fields(cls, outer))
    if first["type"] == "missing":
        return where, "is missing: give a value"
    return where, first["msg"].removeprefix("Value error, ")


def _unknown(name: str, known: Collection[str]) -> str:
    return f"there is no such value{did_you_mean(name, known)}"


def did_you_mean(name: str, known: Collection[str]) -> str:
    """Return the end of a message about an unknown name: the nearest known one, or all of them."""
    if not known:
        return ": leave it out"
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f": did you mean {near[0]}?" if near else f": choose one of {', '.join(sorted(known))}"


def _fields(cls: type[BaseModel], path: Collection[Any]) -> list[str]:
    """Return the names of the fields at the end of a path through nested configurations."""
    for part in path:
        found = cls.model_fields.get(str(part))
        inner = None if found is None else config_class(found.annotation)
        if inner is None:
            return []
        cls = inner
    return list(cls.model_fields)


def config_class(annotation: Any) -> type[Config] | None:
    """Return the configuration that a field holds, ``None`` where it holds something else (options are looked into)."""
    if isinstance(annotation, type) and issubclass(annotation, Config):
        return annotation
    inner = [config_class(argument) for argument in getattr(annotation, "__args__", ())]
    return next((found for found in inner if found is not None), None)


@dataclass(frozen=True, kw_only=True)
class Described:
    """One value of a configuration, for people.

    Attributes:
        key: dotted name, as ``--set`` takes it.
        meaning: from the description of its class.
        default: as JSON, ``None`` where a value must be given.
        required: whether it has no default.
        choice: the room whose names may stand here, ``None`` for other values.
        flag: the option that sets it, if any.
    """

    key: str
    meaning: str
    default: Any
    required: bool
    choice: str | None
    flag: Flag | None


def described(cls: type[Config], prefix: str = "") -> Iterator[Described]:
    """Yield every value of a configuration, nested ones by dotted names."""
    meanings = attributes_of(cls)
    for name, info in cls.model_fields.items():
        key = f"{prefix}{name}"
        marks = [mark for mark in info.metadata if isinstance(mark, Choice | Flag)]
        flag = next((mark for mark in marks if isinstance(mark, Flag)), None)
        choice = next((mark.room for mark in marks if isinstance(mark, Choice)), None)
        inner = config_class(info.annotation) if choice is None else None
        default = None if info.is_required() else info.get_default(call_default_factory=True)
        if inner is not None and (info.is_required() or isinstance(default, Config)):
            yield from described(inner, f"{key}.")
            continue
        plain = default.whole() if isinstance(default, Config | Part) else default
        yield Described(
            key=key,
            meaning=meanings.get(name, ""),
            default=plain,
            required=info.is_required(),
            choice=choice,
            flag=flag,
        )
        if inner is not None:
            yield from described(inner, f"{key}.")


_ATTRIBUTE = re.compile(r"^ {4}(\w+): (.*)$")
_ALSO = re.compile(r"; ``(\w+)``(?: likewise)?:? ?")


def attributes_of(cls: type[BaseModel]) -> dict[str, str]:
    """Return what the docstrings of a class and its bases say of each field under ``Attributes:``.

    A description that begins ``name: text; ``other``: text`` tells of several fields.
    """
    found: dict[str, str] = {}
    for base in (base for base in reversed(cls.__mro__) if issubclass(base, Config) and base is not Config):
        # However deep the class stands.
        section = inspect.cleandoc(vars(base).get("__doc__") or "").partition("Attributes:\n")[2]
        name = ""
        for line in section.split("\n"):
            match = _ATTRIBUTE.match(line)
            if match is not None:
                name, found[match[1]] = match[1], match[2]
            elif name and line.strip():
                found[name] += f" {line.strip()}"
            else:
                name = ""
    for name, text in list(found.items()):
        first, *others = _ALSO.split(text)
        found[name] = first
        for also, told in zip(others[::2], others[1::2], strict=True):
            found.setdefault(also, told or first)
    return found
