"""A user's own part that answers wrongly is told in a line that names it, before anything is trained on the answer."""

import re

import jaxtyping
import pytest
from proof_runs import DIGITS, FAST, HERE, PARTS, SPACE, TINY, invoke, refused, sets

from trueshot.core.cache import _REQUIRED
from trueshot.spaces.costs import RESERVED

FILE = HERE / "mistaken.py"
FEW = ["--strategy", "random", *sets("proposer.evaluations=5")]
ALIKE = [*FEW, "--oracle", f"{PARTS}:Alike"]
LINE = r"mistaken\.py, line \d+: "
NUMBERS = "return one finite number for each"
ROWS = "is no batch of architectures: "
TEXT = "let it be a text that is not empty"
ROOMS = {
    "--oracle": {
        "EvText": f"gave <U4 of shape (2,) for 2 architectures: {NUMBERS}",
        "EvNothing": f"gave None for 2 architectures: {NUMBERS}",
        "EvScalar": f"gave 0.5 for 2 architectures: {NUMBERS}",
        "EvShape": f"gave float64 of shape (2, 2) for 2 architectures: {NUMBERS}",
        "EvRagged": "gave what is no array: ValueError: ",
        "EvComplex": f"gave complex128 of shape (2,) for 2 architectures: {NUMBERS}",
        "EvNan": "gave nan for 2 of 2 architectures, the first skip-conv5-",
        "EvNumber": f"'digest' of evaluator {FILE}:EvNumber is 5: {TEXT}",
        "EvMute": f"'digest' of evaluator {FILE}:EvMute is '': {TEXT}",
        "EvBroken": "KeyError: 'digest'",
        "EvExit": "SystemExit: 3: correct it",
        "EvPipe": "BrokenPipeError: gone: correct it",
    },
    "--sampler": {
        "SaZero": f"'per_step' of sampler {FILE}:SaZero is 0: let it be a whole number from 1",
        "SaText": "is 'two': let it be a whole number from 1",
        "SaHalf": "is 1.5: let it be a whole number from 1",
        "SaTrue": "is True: let it be a whole number from 1",
        "SaMethod": "is <bound method",
        "SaNothing": f"drew what {ROWS}",
        "SaFew": "drew 1 architectures where 2 were asked for: correct its `sample`",
        "SaFloat": f"drew what {ROWS}architectures of tower are an integer array",
        "SaBig": f"drew what {ROWS}tower architecture 0, position 1 of 8",
        "SaTires": "drew 3 architectures where 512 were asked for",
        "SaRestart": "LookupError: no way back",
        "SaExit": "SystemExit: enough: correct it",
    },
    "--sharing": {
        "ShNothing": "returned None for space tower: let its `__call__` return what is placed",
        "ShModule": "Identity'> for space tower: let its `__call__` return what is placed",
        "ShFive": "placed 5 at site 'a' of tower: return an nn.Module",
        "ShPlain": "cannot be trained and run: TypeError: Identity.forward() takes 2 positional arguments",
        "ShRow": "cannot be trained and run: TypeError: Identity.forward() takes 2 positional arguments",
        "ShNarrow": "cannot be trained and run: RuntimeError: ",
        "ShSilent": "let what is placed be called as module(x, *context), and return what the next layer takes",
        "ShContext": f"`context` of what sharing {FILE}:ShContext returned gave list: return a tuple",
        "ShRaises": "KeyError: 'a'",
        "ShLibrary": "TypeError: ",
    },
    "--proposer": {
        "PrNothing": f"asked for what {ROWS}",
        "PrText": f"asked for what {ROWS}",
        "PrWrong": "99 is no option of it",
        "PrMethod": f"'finished' of proposer {FILE}:PrMethod is a method: let it be True or False",
        "PrUnsure": "is 'no': let it be True or False",
        "PrDone": "has finished before it asked for anything",
        "PrIdle": "asks for nothing before it was told anything, and has not finished",
        "PrMany": "architectures where 45 were wanted: let `ask(n)` give at most n",
        "PrTell": "KeyError: 'scores'",
        "PrTwo": "cannot be told scores: TypeError: ",
    },
    "--predictor": {
        "PdNan": "gave nan for 2 of 2 architectures: return a finite number for each",
        "PdOne": f"gave float64 of shape (1,) for 2 architectures: {NUMBERS}",
        "PdText": f"gave <U1 of shape (2,) for 2 architectures: {NUMBERS}",
        "PdFit": "KeyError: 'fit'",
        "PdMute": "has no digest: define it",
        "PdBroken": "KeyError: 'digest'",
    },
    "--strategy": {
        "StNan": "found scores of nan for 2 of 5 architectures, the first conv1-",
        "StTexts": f"found scores of <U1 of shape (5,) for 5 architectures: {NUMBERS}",
        "StShort": "found 5 architectures with scores of shape (1,)",
        "StOption": f"found what {ROWS}tower architecture 1",
        "StMore": "adds str to the result: give sections, of Series, Table, Front, Networks, Text",
        "StSingle": "found is no list: TypeError: 'int' object is not iterable: give a tuple of sections",
        "StRows": "adds: 'rows.0' is a: ",
        "StTitle": "adds: 'title' is None: ",
        "StName": "adds a section 'search', and there is one already: choose another name",
        "StCells": "adds holds 1 values where it needs 2: give as many of both",
        "StLine": "adds holds 1 values where it needs 2: give as many of both",
        "StArray": "adds cannot be written (Object of type ndarray is not JSON serializable)",
        "StInfinite": "adds cannot be written (Out of range float values",
        "StValues": "value 'mine' that strategy",
        "StTaken": "found a value 'found', which every result has: choose another name",
        "StKeys": "found are no mapping of names to values: give one",
        "StTold": "found is no list of pairs: ValueError: ",
        "StTold2": "found holds 3: give pairs of a label and a text",
        "StBy": f"'scored_by' of what strategy {FILE}:StBy found is None: {TEXT}",
        "StEvaluator": "found by is None: give one that is called with architectures and has a digest",
        "StDigest": f"'digest' of evaluator EvNumber of strategy {FILE}:StDigest is 5",
        "StUnscored": f"gave None for 1 architectures: {NUMBERS}",
        "StSampler": "has no `sample` or no `per_step`: give a Sampler, or None",
        "StDraws": "drew 1 architectures where 2 were asked for",
        "StForecast": "gave NoneType: return a Forecast, of no phases: Forecast(())",
        "StPhase": "holds ('mine', 1.0): give a Phase of a name and of seconds, from 0",
        "StPhases": "holds no phases: TypeError: ",
        "StSeconds": "seconds=nan): give a Phase of a name and of seconds, from 0",
        "StCost": "is 'speed': name one of madds, params, size",
        "StCostNone": "KeyError: 'cost'",
        "StCheck": "SystemExit: 1: correct it",
        "StRun": "ended with NoneType: `run` must return a strategies.Found",
        "StLibrary": "cannot be run: UFuncTypeError: ",
        "StSays": f"is None: {TEXT}",
    },
    "--cost": {
        "CoTaken": "is called 'bad_images', and the option --max-bad-images means something else: choose another name",
        "CoScore": "is called 'score': choose a name of its own",
        "CoTitle": f"'title' of cost {FILE}:CoTitle is 3: {TEXT}",
        "CoScalar": f"gave 3.0 for 3 architectures: {NUMBERS}",
        "CoText": f"gave <U1 of shape (3,) for 3 architectures: {NUMBERS}",
        "CoNan": "gave nan for 3 of 3 architectures: return a finite number for each",
        "CoBatch": "let it depend on the architecture only",
        "CoLibrary": "cannot be computed: architectures of tower are an integer array (n, 8)",
        "CoHash": "is not hashable: make its dataclass frozen",
        "CoSum": "gives 9.5 where the sum of its `additive` is 10: let both be the same",
        "CoSummand": "gave [4] costs for decisions of [4, 4, 4, 4, 4, 4, 4, 4] options: return None, or an Additive",
        "CoSumText": "return None, or an Additive of a cost for each",
        "CoMoves": "gave NoneType: return the same cost",
        "CoMovesBadly": "KeyError: 'space'",
    },
    "--space": {
        "SpValidNone": "`valid` of space right gave None for 3 rows: return an array of True or False, one for each",
        "SpValidTrue": "`valid` of space right gave True for 3 rows: return an array of True or False, one for each",
        "SpValidNumbers": "gave int64 of shape (3,) for 3 rows: return an array of True or False, one for each",
        "SpValidShort": "gave bool of shape (2,) for 3 rows: return an array of True or False, one for each",
        "SpValidNever": "hold no valid architecture",
        "SpValidRaises": "KeyError: 'rows'",
        "SpNothing": "assembled NoneType: let `assemble` return its skeleton, an nn.Module",
        "SpNoSites": "has nothing to decide: let `assemble` ask place(site) what stands at each site",
        "SpExit": "SystemExit: 4: correct it",
        "SpClasses": "gives (1, 3) for 1 images, not logits (1, 10): let its head end with nn.Linear(",
        "SpEmpty": "site 'x' has no candidates: give a mapping of names to constructors, one at least",
        "SpList": "site 'x' has no candidates: give a mapping of names to constructors, one at least",
        "SpAbsent": "site 'x' has no candidates: give a mapping of names to constructors, one at least",
        "SpWidth": "cannot be run on images of 1x8x8: RuntimeError: ",
        "SpSample": f"drew what {ROWS}",
        "SpSampleFew": "drew 1 architectures where 3 were asked for",
        "SpFinal": "gave NoneType: return a space",
        "SpFormat": "reads 'a-a-a' as another architecture than it wrote: see to its notation",
        "SpFormatNone": f"gave is None: {TEXT}",
        "SpName": f"'name' of space {FILE}:SpName is None: {TEXT}",
        "SpRule": f"gave what {ROWS}",
        "SpDecisions": "cannot say its decisions: AttributeError: ",
        "SpUnhashable": "is not hashable: make it a frozen dataclass of fields that are, tuples for lists",
    },
}
GOOD = {
    "--strategy": ("StLists",),
    "--cost": ("CoList", "CoArchs"),
    "--oracle": ("EvSpoils", "EvTruths"),
    "--proposer": ("Proposer",),
}
CASES = [(option, name, told) for option, cases in ROOMS.items() for name, told in cases.items()]


@pytest.fixture(autouse=True)
def unchecked(monkeypatch):
    """Have nothing check types and shapes, as where the package is used: the tests' own checks would be first."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


def command(option, name, out):
    """Return a search of the digits with one part of the file."""
    own = f"{FILE}:{name}"
    given = {
        "--oracle": [*FEW, option, own],
        "--cost": [*ALIKE, option, own],
        "--space": [*ALIKE, option, own],
        "--strategy": [option, own],
        "--predictor": [
            *TINY,
            *("--proposer", "guided"),
            *sets(f"proposer={{predictor: '{own}', evaluations: 8, first: 4}}"),
        ],
    }.get(option, [*TINY, option, own])
    space = [] if option == "--space" else ["--space", f"{SPACE}:Tower"]
    return [*DIGITS, *space, "--out", out, *FAST, *given]


@pytest.mark.parametrize(("option", "name", "told"), CASES, ids=[name for _, name, _ in CASES])
def test_what_a_part_answers_is_told_in_a_line(option, name, told, tmp_path):
    error = refused(*command(option, name, tmp_path / "run"))
    assert told in error
    assert f"{FILE}:{name}" in error or re.search(LINE, error)
    # Nothing was trained for it; only a strategy that ran has a directory, in which its run can go on.
    assert not list(tmp_path.glob("run/networks/*")) + list(tmp_path.glob("run/checkpoints/*"))
    assert (tmp_path / "run").exists() <= (option == "--strategy")


@pytest.mark.parametrize(("option", "name"), [(option, name) for option, names in GOOD.items() for name in names])
def test_what_can_be_understood_is_taken(option, name, tmp_path, no_onnx):
    code, _, err = invoke(*command(option, name, tmp_path / "run"))
    assert code == 0, err


def test_an_evaluator_that_writes_into_its_architectures_spoils_no_other(tmp_path, no_onnx):
    import pandas as pd

    code, _, err = invoke(*command("--oracle", "EvSpoils", tmp_path / "run"))
    assert code == 0, err
    rows = pd.read_parquet(tmp_path / "run" / "evaluations.parquet").row
    assert rows.nunique() == len(rows) >= 5


LATE = HERE / "mistaken_late.py"
ALONE = [
    *("rank", "--space", "nasbench201", "--data", "digits", "--truth", "nasbench201.parquet", "--device", "cpu"),
    *("--column", "cifar10_test_200", "--archs", "20", "--workers", "1"),
    *sets("space.arguments={channels: 2, cells: 1}", "data={max_images: 120, max_test_images: 40}"),
]
RANK = [*ALONE, *sets("supernet.recipe={epochs: 1, batch_size: 64, lr: 0.1}", "ranking.supernets=1")]
NEEDY = [*DIGITS, "--space", f"{SPACE}:Tower", *FAST, *TINY]
EARLY = {
    "search by a supernet, short": (
        [*NEEDY, "--oracle", f"{LATE}:NeedyShort"],
        f"gave float64 of shape (1,) for 2 .*{NUMBERS}",
    ),
    "search by a supernet, wrong": ([*NEEDY, "--oracle", f"{LATE}:NeedyAttribute"], r"line \d+: AttributeError: "),
    "rank by a supernet": (
        [*RANK, "--evaluator", f"{LATE}:NeedyShort"],
        f"gave float64 of shape (1,) for 2 .*{NUMBERS}",
    ),
    "rank": ([*ALONE, "--evaluator", f"{LATE}:Free"], f"gave float64 of shape (2, 2) for 2 .*{NUMBERS}"),
    "rank by a sum": (
        [*RANK, *sets("ranking.evaluators=[fused]", f"fusion.parts=[supernet, '{LATE}:Free']")],
        "of shape (2, 2)",
    ),
    "rank, ended": ([*ALONE, "--evaluator", f"{LATE}:Ends"], r"line \d+: SystemExit: 7: correct it"),
    "rank, sampler": ([*RANK, "--sampler", f"{FILE}:SaZero"], "is 0: let it be a whole number from 1"),
    "rank, sampler that tires": (
        [*RANK, "--sampler", f"{FILE}:SaTires"],
        "drew 3 architectures where 1024 were asked for",
    ),
    "rank, sharing": ([*RANK, "--sharing", f"{FILE}:ShPlain"], "cannot be trained and run: TypeError: "),
    "a wrapper": (
        [*DIGITS, "--space", f"{SPACE}:Tower", *FAST, *FEW, "--oracle", f"{PARTS}:Alike+{FILE}:Wrap"],
        f"Wrap gave None for 2 .*{NUMBERS}",
    ),
}


@pytest.mark.usefixtures("made_up")
@pytest.mark.parametrize("case", EARLY)
def test_an_evaluator_is_tried_before_the_supernet_is_trained(case, tmp_path):
    arguments, told = EARLY[case]
    error = refused(*arguments, "--out", tmp_path / "run")
    assert re.search(told.replace("(", r"\(").replace(")", r"\)"), error)
    assert "mistaken" in error
    assert not (tmp_path / "run").exists()


def test_every_class_of_the_file_is_tried():
    written = set(re.findall(r"^(?:class )?((?:Ev|Sa|Sh|Pr|Pd|St|Co|Sp)[A-Z][A-Za-z0-9]*)", FILE.read_text(), re.M))
    assert written == {name for _, name, _ in CASES} | {name for names in GOOD.values() for name in names} - {
        "Proposer"
    }


def test_no_cost_is_called_as_a_column_of_the_evaluations_is():
    assert set(_REQUIRED) < set(RESERVED)
