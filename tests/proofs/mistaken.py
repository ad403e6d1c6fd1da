"""Parts that can be made and answer wrongly: each class has one mistake, and its docstring what is told of it."""

import dataclasses
import sys
from functools import partial

import numpy as np
from torch import nn

from trueshot.core.results import Line as Points
from trueshot.core.results import Series, Table, Text
from trueshot.operations import conv_bn
from trueshot.sharing import single_path
from trueshot.sharing.supernet import ByRow
from trueshot.spaces import Site, Space, skeletons
from trueshot.spaces.costs import Additive
from trueshot.strategies.protocol import Forecast, Found, Phase


class Part:
    def __init__(self, config, context):
        self.context, self.space = context, context.space


class Evaluator(Part):
    needs_images, digest = False, "mine"
    gives = staticmethod(lambda archs: np.zeros(len(archs)))

    def __call__(self, archs):
        return self.gives(archs)


def evaluator(name, gives, **more):
    return type(name, (Evaluator,), {"gives": staticmethod(gives), "__module__": __name__, **more})


EvText = evaluator("EvText", lambda archs: ["good"] * len(archs))
EvNothing = evaluator("EvNothing", lambda archs: None)
EvScalar = evaluator("EvScalar", lambda archs: 0.5)
EvShape = evaluator("EvShape", lambda archs: np.zeros((len(archs), 2)))
EvRagged = evaluator("EvRagged", lambda archs: [[0.0], [0.0, 1.0]])
EvComplex = evaluator("EvComplex", lambda archs: np.zeros(len(archs)) * 1j)
EvNan = evaluator("EvNan", lambda archs: np.where(archs[:, 0] == archs[0, 0], np.nan, 1.0))
EvExit = evaluator("EvExit", lambda archs: sys.exit(3))
EvPipe = evaluator("EvPipe", lambda archs: (_ for _ in ()).throw(BrokenPipeError("gone")))
EvNumber = evaluator("EvNumber", Evaluator.gives, digest=5)
EvMute = evaluator("EvMute", Evaluator.gives, digest="")
EvBroken = evaluator("EvBroken", Evaluator.gives, digest=property(lambda self: {}["digest"]))
EvSpoils = evaluator("EvSpoils", lambda archs: _spoil(archs))
EvTruths = evaluator("EvTruths", lambda archs: (archs[:, 0] == 0).tolist())


def _spoil(archs):
    archs[:] = 0
    return np.arange(len(archs), dtype=np.float32)


class Wrap(Evaluator):
    def __init__(self, config, context, inside):
        super().__init__(config, context)
        self.inside = inside

    gives = staticmethod(lambda archs: None)


class Sampler(Part):
    per_step = 1

    def sample(self, n, rng):
        return self.space.sample(n, rng)


def sampler(name, sample=Sampler.sample, /, **more):
    return type(name, (Sampler,), {"sample": sample, "__module__": __name__, **more})


SaZero = sampler("SaZero", per_step=0)
SaText = sampler("SaText", per_step="two")
SaHalf = sampler("SaHalf", per_step=1.5)
SaTrue = sampler("SaTrue", per_step=True)
SaMethod = sampler("SaMethod", per_step=lambda self: 1)
SaNothing = sampler("SaNothing", lambda self, n, rng: None)
SaFew = sampler("SaFew", lambda self, n, rng: self.space.sample(1, rng))
SaFloat = sampler("SaFloat", lambda self, n, rng: self.space.sample(n, rng) + 0.5)
SaBig = sampler("SaBig", lambda self, n, rng: self.space.sample(n, rng) + 200)
SaExit = sampler("SaExit", lambda self, n, rng: sys.exit("enough"))


class SaTires(Sampler):
    """Draws rightly when it is tried, and too few when a training draws many."""

    def sample(self, n, rng):
        return self.space.sample(min(n, 3), rng)


class SaRestart(Sampler):
    def restart(self):
        raise LookupError("no way back")


class Sharing(Part):
    gives = staticmethod(single_path)

    def __call__(self, space):
        return self.gives(space)


def sharing(name, gives):
    return type(name, (Sharing,), {"gives": staticmethod(gives), "__module__": __name__})


class Narrow(nn.Module):
    """Called rightly, returns another width."""

    def forward(self, x, *context):
        return x[:, :3]


class Silent(nn.Module):
    def forward(self, x, *context):
        return None


ShNothing = sharing("ShNothing", lambda space: None)
ShModule = sharing("ShModule", lambda space: nn.Identity)
ShFive = sharing("ShFive", lambda space: lambda site: 5)
ShPlain = sharing("ShPlain", lambda space: lambda site: nn.Identity())
ShNarrow = sharing("ShNarrow", lambda space: lambda site: Narrow())
ShSilent = sharing("ShSilent", lambda space: lambda site: Silent())
ShRow = sharing("ShRow", lambda space: ByRow(lambda site: nn.Identity()))
ShRaises = sharing("ShRaises", lambda space: lambda site: {}[site.key])
ShLibrary = sharing("ShLibrary", lambda space: lambda site: nn.Linear("a", 3))


class ShContext(Sharing):
    class Placer:
        def __init__(self, space):
            self.place = single_path(space)

        def __call__(self, site):
            return self.place(site)

        def context(self, arch):
            return list(arch)

        def context_of(self, row):
            return row

    gives = Placer


class Proposer(Part):
    finished, count = False, 0

    def ask(self, n):
        self.count += 1
        self.finished = self.count > 2
        return self.space.sample(0 if self.finished else 3, np.random.default_rng(self.count))

    def tell(self, archs, scores):
        pass


def proposer(name, /, **more):
    return type(name, (Proposer,), {"__module__": __name__, **more})


PrNothing = proposer("PrNothing", ask=lambda self, n: None)
PrText = proposer("PrText", ask=lambda self, n: "all")
PrWrong = proposer("PrWrong", ask=lambda self, n: np.full((1, 8), 99))
PrMethod = type("PrMethod", (Part,), {"ask": Proposer.ask, "tell": Proposer.tell, "finished": lambda self: False})
PrUnsure = type("PrUnsure", (Part,), {"ask": Proposer.ask, "tell": Proposer.tell, "finished": "no"})
PrDone = proposer("PrDone", finished=True)
PrIdle = proposer("PrIdle", ask=lambda self, n: self.space.sample(0, 0))
PrMany = proposer("PrMany", ask=lambda self, n: self.space.sample(n + 1, 0))
PrTell = proposer("PrTell", tell=lambda self, archs, scores: {}["scores"])
PrTwo = proposer("PrTwo", tell=lambda self, archs: None)


class Predictor(Part):
    digest = "mine"
    gives = staticmethod(lambda archs: np.zeros(len(archs)))

    def fit(self, archs, scores):
        pass

    def __call__(self, archs):
        return self.gives(archs)


def predictor(name, /, **more):
    return type(name, (Predictor,), {"__module__": __name__, **more})


PdNan = predictor("PdNan", gives=staticmethod(lambda archs: np.full(len(archs), np.nan)))
PdOne = predictor("PdOne", gives=staticmethod(lambda archs: np.zeros(1)))
PdText = predictor("PdText", gives=staticmethod(lambda archs: ["a"] * len(archs)))
PdFit = predictor("PdFit", fit=lambda self, archs, scores: {}["fit"])
PdMute = predictor("PdMute", digest=None)
PdBroken = predictor("PdBroken", digest=property(lambda self: {}["digest"]))


class Strategy(Part):
    """A strategy whose answer differs from a right one by what ``wrong`` says."""

    cost, wrong = "madds", {}

    def check(self):
        pass

    def forecast(self):
        return Forecast((Phase("mine", 0.1),))

    def run(self):
        archs = np.unique(self.space.sample(5, np.random.default_rng(0)), axis=0)
        right = {
            "archs": archs,
            "scores": np.arange(len(archs), dtype=float),
            "evaluator": Evaluator(None, self.context),
        }
        return Found(**{**right, "scored_by": "a rule", **{key: make(self, archs) for key, make in self.wrong.items()}})


def strategy(name, wrong=None, **more):
    given = {key: (lambda self, archs, made=made: made(self, archs)) for key, made in (wrong or {}).items()}
    return type(name, (Strategy,), {"wrong": given, "__module__": __name__, **more})


def _scores(*values):
    return {"scores": lambda self, archs: np.resize(np.array(values), len(archs))}


def _section(**values):
    return {"more": lambda self, archs: (Text(**{"name": "mine", "title": "Mine", "rows": (("a", "b"),), **values}),)}


_TABLE = {"name": "mine", "title": "Mine", "heads": ("a", "b")}
_LINE = {"name": "mine", "title": "Mine", "x": "x", "y": "y"}
StNan = strategy("StNan", _scores(1.0, float("nan")))
StTexts = strategy("StTexts", _scores("a"))
StShort = strategy("StShort", {"scores": lambda self, archs: [1.0]})
StOption = strategy("StOption", {"archs": lambda self, archs: archs.tolist()[:1] + [[9] * 8] * (len(archs) - 1)})
StMore = strategy("StMore", {"more": lambda self, archs: ("a section",)})
StSingle = strategy("StSingle", {"more": lambda self, archs: 5})
StRows = strategy("StRows", _section(rows=("a",)))
StTitle = strategy("StTitle", _section(title=None))
StName = strategy("StName", _section(name="search"))
StCells = strategy("StCells", {"more": lambda self, archs: (Table(**_TABLE, rows=(("one",),)),)})
StArray = strategy("StArray", {"more": lambda self, archs: (Table(**_TABLE, rows=((np.arange(2), 1.0),)),)})
StLine = strategy(
    "StLine", {"more": lambda self, archs: (Series(**_LINE, lines=(Points(name="l", x=[1.0], y=[1.0, 2.0]),)),)}
)
StInfinite = strategy(
    "StInfinite", {"more": lambda self, archs: (Series(**_LINE, lines=(Points(name="l", x=[1.0], y=[np.inf]),)),)}
)
StValues = strategy("StValues", {"values": lambda self, archs: {"mine": np.arange(2)}})
StTaken = strategy("StTaken", {"values": lambda self, archs: {"found": 3}})
StKeys = strategy("StKeys", {"values": lambda self, archs: {3: 3}})
StTold = strategy("StTold", {"told": lambda self, archs: ("one text",)})
StTold2 = strategy("StTold2", {"told": lambda self, archs: (("label", 3),)})
StBy = strategy("StBy", {"scored_by": lambda self, archs: None})
StEvaluator = strategy("StEvaluator", {"evaluator": lambda self, archs: None})
StDigest = strategy("StDigest", {"evaluator": lambda self, archs: EvNumber(None, self.context)})
StUnscored = strategy("StUnscored", {"evaluator": lambda self, archs: EvNothing(None, self.context)})
StSampler = strategy("StSampler", {"sampler": lambda self, archs: "uniform"})
StDraws = strategy("StDraws", {"sampler": lambda self, archs: SaFew(None, self.context)})
StForecast = strategy("StForecast", forecast=lambda self: None)
StPhase = strategy("StPhase", forecast=lambda self: Forecast((("mine", 1.0),)))
StPhases = strategy("StPhases", forecast=lambda self: Forecast(None))
StSeconds = strategy("StSeconds", forecast=lambda self: Forecast((Phase("mine", float("nan")),)))
StCost = strategy("StCost", cost="speed")
StCostNone = strategy("StCostNone", cost=property(lambda self: {}["cost"]))
StCheck = strategy("StCheck", check=lambda self: sys.exit(1))
StRun = strategy("StRun", run=lambda self: None)
StLibrary = strategy("StLibrary", run=lambda self: self.space.sample("all", 0))
StSays = strategy("StSays", announce=lambda self: [None])
StLists = strategy(
    "StLists",
    {
        "archs": lambda self, archs: archs.tolist(),
        "scores": lambda self, archs: list(range(len(archs))),
        "more": lambda self, archs: [Text(name="mine", title="Mine", rows=(("a", "b"),))],
        "told": lambda self, archs: [["label", "text"]],
    },
)


@dataclasses.dataclass(frozen=True)
class Cost:
    space: object
    name, title, unit = "mine", "mine", "mJ"

    def __call__(self, archs):
        return archs.sum(axis=1) + 0.5


def cost(name, /, **more):
    return type(name, (Cost,), {"__module__": __name__, **more})


CoTaken = cost("CoTaken", name="bad_images")
CoArchs = cost("CoArchs", name="archs")
CoScore = cost("CoScore", name="score")
CoTitle = cost("CoTitle", title=3)
CoScalar = cost("CoScalar", __call__=lambda self, archs: 3.0)
CoText = cost("CoText", __call__=lambda self, archs: ["a"] * len(archs))
CoNan = cost("CoNan", __call__=lambda self, archs: np.full(len(archs), np.nan))
CoBatch = cost("CoBatch", __call__=lambda self, archs: archs.sum(axis=1) / len(archs))
CoLibrary = cost("CoLibrary", __call__=lambda self, archs: self.space.check(archs[:, :2]))
CoHash = cost("CoHash", __hash__=None)
CoSum = cost("CoSum", additive=lambda self: Additive(1, tuple(np.arange(size) for size in self.space.options)))
CoSummand = cost("CoSummand", additive=lambda self: Additive(1, (np.arange(4),)))
CoSumText = cost("CoSumText", additive=lambda self: "no")
CoMoves = cost("CoMoves", on=lambda self, space: None)
CoMovesBadly = cost("CoMovesBadly", on=lambda self, space: {}["space"])
CoList = cost("CoList", __call__=lambda self, archs: archs.sum(axis=1).tolist())


def conv(*given, **more):
    return nn.Sequential(*conv_bn(*given, **more))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Right(Space):
    name = "right"

    def candidates(self):
        return {"a": partial(conv, 8, 8, 3), "b": partial(conv, 8, 8, 5)}

    def outputs(self):
        return self.classes

    def assemble(self, place):
        shape = {"candidates": self.candidates(), "in_channels": 8, "out_channels": 8}
        blocks = {name: place(Site(decision=name, **shape)) for name in "xyz"}
        head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, self.outputs()))
        return skeletons.Chain(conv(self.in_channels, 8, 3), blocks, head, in_channels=self.in_channels)


def space(name, /, **more):
    return type(name, (Right,), {"__module__": __name__, **more})


SpValidNone = space("SpValidNone", valid=lambda self, archs: None)
SpValidTrue = space("SpValidTrue", valid=lambda self, archs: True)
SpValidNumbers = space("SpValidNumbers", valid=lambda self, archs: np.ones(len(archs), int))
SpValidShort = space("SpValidShort", valid=lambda self, archs: np.ones(2, bool))
SpValidNever = space("SpValidNever", valid=lambda self, archs: np.zeros(len(archs), bool))
SpValidRaises = space("SpValidRaises", valid=lambda self, archs: {}["rows"])
SpNothing = space("SpNothing", assemble=lambda self, place: None)
SpNoSites = space("SpNoSites", assemble=lambda self, place: conv(1, 2, 3))
SpExit = space("SpExit", assemble=lambda self, place: sys.exit(4))
SpClasses = space("SpClasses", outputs=lambda self: 3)
SpEmpty = space("SpEmpty", candidates=lambda self: {})
SpList = space("SpList", candidates=lambda self: ["a", "b"])
SpAbsent = space("SpAbsent", candidates=lambda self: {"none": None})
SpWidth = space("SpWidth", candidates=lambda self: {"a": partial(conv, 4, 8, 3), "b": partial(conv, 4, 8, 5)})
SpSample = space("SpSample", sample=lambda self, n, rng: None)
SpSampleFew = space("SpSampleFew", sample=lambda self, n, rng: np.zeros((1, 3), np.uint8))
SpFinal = space("SpFinal", final=lambda self: None)
SpFormat = space("SpFormat", format=lambda self, row: "a-a-a")
SpFormatNone = space("SpFormatNone", format=lambda self, row: None)
SpName = space("SpName", name=None)
SpRule = space("SpRule", canonical_rules={"mine": lambda self, archs: None})
SpDecisions = space("SpDecisions", decisions=property(lambda self: ("x", "y", "z")))


@dataclasses.dataclass(frozen=True, kw_only=True)
class SpUnhashable(Right):
    widths: list = dataclasses.field(default_factory=lambda: [8])
