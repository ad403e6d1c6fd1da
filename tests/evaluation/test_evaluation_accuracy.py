"""The measured accuracy, against scikit-learn and by hand."""

import numpy as np
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score, log_loss, recall_score, top_k_accuracy_score
from torch import nn

from trueshot.core.errors import DataError, TrainingError
from trueshot.evaluation import measure
from trueshot.evaluation.accuracy import measure_answers


def table(n=97, classes=7, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(n, classes, generator=draw) * 2, torch.randint(classes, (n,), generator=draw)


def cut(logits, labels, size):
    return list(zip(logits.split(size), labels.split(size), strict=True))


@pytest.mark.parametrize("size", [10, 97])
def test_agrees_with_scikit_learn(size):
    logits, labels = table()
    found = measure(lambda images: images, cut(logits, labels, size), 7)
    guess, truth, p = logits.argmax(1).numpy(), labels.numpy(), logits.double().softmax(1).numpy()
    assert found.n == 97
    assert found.top1 == (guess == truth).mean()
    assert found.top5 == pytest.approx(top_k_accuracy_score(truth, p, k=5))
    assert found.balanced == pytest.approx(balanced_accuracy_score(truth, guess))
    np.testing.assert_allclose(found.per_class, recall_score(truth, guess, average=None))
    assert found.loss == pytest.approx(log_loss(truth, p), rel=1e-6)


def test_few_classes_have_a_top_5_of_one_and_absent_ones_no_part_in_the_balance():
    logits = torch.tensor([[2.0, 1.0, 0.0], [2.0, 1.0, 0.0], [0.0, 1.0, 0.0]])
    found = measure(lambda images: images, [(logits, torch.tensor([0, 1, 1]))], 3)
    assert found.top5 == 1.0
    assert found.per_class == (1.0, 0.5, 0.0)
    assert found.balanced == 0.75


def test_a_module_is_run_in_evaluation_mode_and_keeps_its_own():
    network = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8).eval(), nn.Dropout(0.9), nn.Linear(8, 3)).train()
    network[1].training = False
    images, labels = torch.randn(20, 4, generator=torch.Generator().manual_seed(0)), torch.arange(20) % 3
    first, second = (measure(network, [(images, labels)], 3) for _ in range(2))
    assert first == second
    assert [module.training for module in network] == [True, False, True, True]
    assert network.training


def test_answers_are_kept_in_the_order_of_the_images_in_one_pass():
    images, labels = torch.randn(97, 4, generator=torch.Generator().manual_seed(0)), table()[1]
    network = nn.Sequential(nn.Linear(4, 7), nn.Dropout(0.9)).train()
    passes = []

    def batches():
        passes.append(1)
        yield from cut(images, labels, 10)

    accuracy, answers = measure_answers(network, batches(), 7)
    assert passes == [1]
    assert network.training
    assert accuracy == measure(network, cut(images, labels, 10), 7)
    with torch.no_grad():
        shares = network[0](images).double().softmax(1).numpy()
    np.testing.assert_array_equal(answers.given, shares.argmax(1))
    np.testing.assert_allclose(answers.probability, shares.max(1))
    np.testing.assert_allclose(answers.of_true, shares[range(97), labels])


def test_answers_agree_with_the_accuracy_where_classes_are_tied():
    labels = torch.arange(40) % 8
    accuracy, answers = measure_answers(nn.Identity(), [(torch.zeros(40, 8), labels)], 8)
    assert (answers.given == labels.numpy()).mean() == accuracy.top1


def test_what_cannot_be_measured_is_an_error():
    logits, labels = table()
    with pytest.raises(DataError, match="no images"):
        measure(lambda images: images, [], 7)
    with pytest.raises(DataError, match="no images"):
        measure(lambda images: images, [(logits[:0], labels[:0])], 7)
    with pytest.raises(DataError, match="outside the 6 classes"):
        measure(lambda images: images, [(logits, labels)], 6)
    with pytest.raises(TrainingError, match="not finite"):
        measure(lambda images: images * torch.nan, [(logits, labels)], 7)
