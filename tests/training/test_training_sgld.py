"""SGLD against an analytic posterior and against PyTorch's SGD; the mean of states."""

import numpy as np
import pytest
import torch
from torch import nn

from trueshot.core.errors import CheckpointError, ConfigError
from trueshot.sharing import Supernet, single_path
from trueshot.spaces import Topology
from trueshot.training.checkpoints import save_checkpoint
from trueshot.training.sgld import SGLD
from trueshot.training.snapshots import load_snapshot, mean_parameters, save_snapshot


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


class Regression:
    """Bayesian linear regression with known noise; the posterior is normal with known mean and covariance."""

    n, d, sigma, decay = 64, 3, 0.5, 0.05

    def __init__(self):
        draw = generator(1)
        mixing = torch.tensor([[1.0, 0.0, 0.0], [0.4, 0.9, 0.0], [-0.3, 0.2, 1.1]], dtype=torch.float64)
        self.x = torch.randn(self.n, self.d, generator=draw, dtype=torch.float64) @ mixing.T
        truth = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
        self.y = self.x @ truth + self.sigma * torch.randn(self.n, generator=draw, dtype=torch.float64)
        precision = self.x.T @ self.x / self.sigma**2 + self.n * self.decay * torch.eye(self.d, dtype=torch.float64)
        self.covariance = torch.linalg.inv(precision)
        self.mean = self.covariance @ (self.x.T @ self.y) / self.sigma**2
        self.stiffest = float(torch.linalg.eigvalsh(precision)[-1]) / self.n

    def sample(self, *, temperature, batch, chains, steps, lr, start=None):
        """Run independent chains, a row each, from the posterior mean (or ``start``); return their last states."""
        draw = generator(2)
        weights = nn.Parameter((self.mean if start is None else start).repeat(chains, 1))
        optimizer = SGLD([weights], lr, temperature=temperature, generator=draw, weight_decay=self.decay)
        for _ in range(steps):
            # Mean negative log-likelihood of each chain, summed over the chains, which share no weight.
            if batch is None:
                quadratic, linear = self.x.T @ self.x / self.n, self.x.T @ self.y / self.n
                loss = ((weights @ quadratic * weights).sum() / 2 - (weights @ linear).sum()) / self.sigma**2
            else:
                rows = torch.randint(self.n, (chains, batch), generator=draw)
                residual = torch.einsum("cd,cbd->cb", weights, self.x[rows]) - self.y[rows]
                loss = (residual**2 / (2 * self.sigma**2)).mean(dim=1).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return weights.detach()


# With step size lr the stationary covariance of the discretised dynamics exceeds the posterior's by at most
# lr h / 2 (h: largest curvature of the mean loss), and a mini-batch of B of N images adds lr h N / (2 B) or less. The
# chains are independent: a variance from n of them has relative error sqrt(2 / n), of which three are allowed.
@pytest.mark.parametrize(("batch", "chains", "lr_h", "bias"), [(None, 8000, 0.02, 0.01), (16, 3000, 0.02, 0.05)])
def test_posterior_of_linear_regression(batch, chains, lr_h, bias):
    problem = Regression()
    softest = 1.0 / (problem.n * float(torch.linalg.eigvalsh(problem.covariance)[-1]))
    lr = lr_h / problem.stiffest
    steps = int(2.5 / (lr * softest))  # what is left of the start: exp(-2.5), squared in the covariance: 0.7 %
    samples = problem.sample(temperature=1 / problem.n, batch=batch, chains=chains, steps=steps, lr=lr)
    error = (samples.mean(dim=0) - problem.mean) / (problem.covariance.diagonal() / chains).sqrt()
    assert error.abs().max() < 4.0
    # Whitened, the covariance of the samples is the identity.
    whitening = torch.linalg.cholesky(torch.linalg.inv(problem.covariance))
    found = torch.cov((samples @ whitening).T)
    assert (found - torch.eye(problem.d)).abs().max() < 3 * np.sqrt(2 / chains) + bias + 0.007


def test_posterior_mean_is_reached_from_afar():
    problem = Regression()
    start = problem.mean + 3.0
    lr = 0.2 / problem.stiffest
    samples = problem.sample(temperature=1 / problem.n, batch=None, chains=2000, steps=300, lr=lr, start=start)
    error = (samples.mean(dim=0) - problem.mean) / (problem.covariance.diagonal() * 1.1 / 2000).sqrt()
    assert error.abs().max() < 4.0


def test_literal_equation_9_inflates_the_covariance_by_the_number_of_images():
    problem = Regression()
    samples = problem.sample(temperature=1.0, batch=None, chains=3000, steps=250, lr=0.05 / problem.stiffest)
    ratio = torch.cov(samples.T).diagonal() / problem.covariance.diagonal()
    assert ((ratio / problem.n - 1).abs() < 0.15).all()


@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_without_temperature_it_is_sgd(decay):
    draw = generator()
    start = [torch.randn(4, 3, generator=draw), torch.randn(5, generator=draw)]
    ours, theirs = ([nn.Parameter(value.clone()) for value in start] for _ in range(2))
    one = SGLD(ours, 0.1, temperature=0.0, generator=generator(), weight_decay=decay)
    two = torch.optim.SGD(theirs, 0.1, weight_decay=decay, foreach=True)
    for _ in range(3):
        for group, optimizer in ((ours, one), (theirs, two)):
            optimizer.zero_grad()
            sum((value**3).sum() for value in group).backward()
            optimizer.step()
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_noise_has_the_stated_deviation_in_every_memory_layout_and_type():
    dense = nn.Parameter(torch.zeros(40, 30, 3, 3).to(memory_format=torch.channels_last))
    flat = nn.Parameter(torch.zeros(7001, dtype=torch.float64))
    strided = nn.Parameter(torch.zeros(50, 90).t())
    optimizer = SGLD([dense, flat, strided], 0.02, temperature=0.25, generator=generator())
    for parameter in (dense, flat, strided):
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    for parameter in (dense, flat, strided):
        assert parameter.std().item() == pytest.approx(np.sqrt(2 * 0.02 * 0.25), rel=4 / np.sqrt(2 * parameter.numel()))
        assert parameter.unique().numel() > 0.999 * parameter.numel()


def test_only_active_parameters_move_and_statistics_get_no_noise():
    space = Topology(nodes=(1, 2), widths=(4, 6), stem_stride=1, head_width=8, image_size=8, classes=3)
    supernet = Supernet(space, single_path).train()
    arch = space.sample(1, 0)[0]
    supernet(torch.randn(4, 3, 8, 8), arch).sum().backward()
    before = {name: value.clone() for name, value in supernet.state_dict().items()}
    SGLD(supernet.parameters(), 0.1, temperature=1.0, generator=generator(), weight_decay=0.1).step()
    active = {id(p) for p in supernet.active(arch).parameters}
    moved = {id(p) for name, p in supernet.named_parameters() if not torch.equal(p, before[name])}
    assert moved == active
    assert all(torch.equal(value, before[name]) for name, value in supernet.named_buffers())


def test_a_resumed_run_draws_the_noise_of_an_uninterrupted_one():
    def start():
        parameter = nn.Parameter(torch.zeros(9))
        return parameter, SGLD([parameter], 0.3, temperature=0.1, generator=generator(), weight_decay=0.01)

    def run(parameter, optimizer, *steps):
        for step in steps:
            optimizer.generator = generator(step)
            parameter.grad = torch.ones_like(parameter)
            optimizer.step()
        return parameter.detach().clone()

    whole = run(*start(), 0, 1, 2)
    first, one = start()
    half = run(first, one, 0, 1)
    second, two = start()
    two.load_state_dict(one.state_dict())
    with torch.no_grad():
        second.copy_(half)
    assert torch.equal(run(second, two, 2), whole)
    assert not torch.equal(run(*start(), 0), run(*start(), 1))


@pytest.mark.parametrize("wrong", [{"lr": 0.0}, {"lr": 0.1, "temperature": -1.0}, {"lr": 0.1, "weight_decay": -1.0}])
def test_values_out_of_range_are_refused(wrong):
    values = {"temperature": 0.1, **wrong}
    with pytest.raises(ConfigError, match="SGLD needs"):
        SGLD([nn.Parameter(torch.zeros(1))], generator=generator(), **values)


def test_mean_of_states_is_taken_in_double_precision():
    states = [{"w": torch.tensor([1e8 * (k == 0), float(k)]), "count": torch.tensor(k)} for k in range(1000)]
    mean = mean_parameters(iter(states))
    assert mean["w"].tolist() == [1e5, 499.5]
    assert mean["w"].dtype == torch.float32
    assert mean["count"].item() == 999
    (single,) = [mean_parameters(states[3:4])]
    assert torch.equal(single["w"], states[3]["w"])


def test_mean_of_states_refuses_what_cannot_be_averaged():
    with pytest.raises(CheckpointError, match="no states"):
        mean_parameters([])
    with pytest.raises(CheckpointError, match="state 2 has other weights"):
        mean_parameters([{"w": torch.zeros(2)}, {"w": torch.zeros(3)}])


def test_snapshots_and_training_checkpoints_are_read(tmp_path):
    state = {"w": torch.arange(3.0), "n": torch.tensor(4)}
    save_snapshot(tmp_path / "a.ckpt", state)
    save_checkpoint(tmp_path / "b.ckpt", {"identity": "", "task": {"model": state, "optimizer": {}}, "progress": {}})
    for name in ("a.ckpt", "b.ckpt"):
        read = load_snapshot(tmp_path / name)
        assert read.keys() == state.keys()
        assert all(torch.equal(read[key], state[key]) for key in state)
    save_checkpoint(tmp_path / "c.ckpt", {"something": 1})
    with pytest.raises(CheckpointError, match="holds no weights"):
        load_snapshot(tmp_path / "c.ckpt")
