from trueshot.studies.plan import Need, summed


def need(key, seed, what="training", kind="k", seconds=10.0, done=False):
    return Need(key=key, seed=seed, kind=kind, what=what, seconds=seconds, done=done)


def test_shared_work_counts_once():
    both = [need("a", 0), need("a", 1), need("a s", 0, "scores", seconds=3.0)]
    lines = summed([*(("one", n) for n in both), *(("two", n) for n in both), ("two", need("a t", 0, "scores"))])
    (line,) = lines
    assert (line.seeds, line.training, line.scoring, line.total, line.studies) == (2, 20.0, 13.0, 33.0, ("one", "two"))


def test_what_is_there_is_not_left_and_the_most_expensive_kind_stands_first():
    lines = summed([("one", need("a", 0, done=True)), ("one", need("b", 0, kind="other", seconds=50.0))])
    assert [(line.kind, line.total, line.left) for line in lines] == [("other", 50.0, 50.0), ("k", 10.0, 0.0)]
