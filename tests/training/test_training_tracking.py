"""TensorBoard files hold each figure once, also after a resume."""

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from trueshot.core.observe import Observer
from trueshot.training.tracking import TensorBoard


def scalars(folder):
    events = EventAccumulator(str(folder)).Reload()
    return {name: [(event.step, event.value) for event in events.Scalars(name)] for name in events.Tags()["scalars"]}


def texts(folder):
    events = EventAccumulator(str(folder)).Reload()
    return {
        name: [(event.step, event.tensor_proto.string_val[0].decode()) for event in events.Tensors(name)]
        for name in events.Tags()["tensors"]
    }


def test_figures_are_written_and_a_resume_replaces_what_it_repeats(tmp_path):
    board = TensorBoard(tmp_path)
    assert isinstance(board, Observer)
    board.begin("weight sampling", 8, 0, "step")
    board.record("weight sampling", 2, {"loss": 3.0, "note": "text", "none": None})
    board.record("weight sampling", 4, {"loss": 2.0})
    # No end: killed, with the checkpoint of step 2.
    board._writers["weight sampling"].flush()
    again = TensorBoard(tmp_path)
    again.begin("weight sampling", 8, 2, "step")
    again.advance("weight sampling", 3)
    again.record("weight sampling", 4, {"loss": 2.5, "genotype": "a|b"})
    again.say("a word")
    again.end("weight sampling")
    again.end("weight sampling")
    assert scalars(tmp_path / "weight-sampling") == {"loss": [(2, 3.0), (4, 2.5)]}
    assert texts(tmp_path / "weight-sampling") == {
        "note/text_summary": [(2, "text")],
        "genotype/text_summary": [(4, "a|b")],
    }
    again.record("other", 1, {"loss": 1.0})
    assert not (tmp_path / "other").exists()


def test_a_full_disk_ends_the_figures_and_not_the_run(tmp_path, capsys, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    board = TensorBoard(tmp_path)
    board.begin("one", 2, 0, "step")
    monkeypatch.setattr(board._writers["one"], "add_scalar", full)
    board.record("one", 1, {"loss": 3.0})
    board.record("one", 2, {"loss": 2.0})
    board.end("one")
    monkeypatch.setattr("trueshot.training.tracking.SummaryWriter", full)
    board.begin("two", 2, 0, "step")
    TensorBoard(tmp_path).begin("three", 2, 0, "step")
    told = capsys.readouterr().err.splitlines()
    assert told == ["warning: no more figures for TensorBoard: [Errno 28] No space left on device"] * 2
