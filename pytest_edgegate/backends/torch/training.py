"""The training of torch modules."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from math import isfinite
from typing import Any

from pytest_edgegate.backends.tools import first_line, tool_errors
from pytest_edgegate.backends.torch.loading import import_torch
from pytest_edgegate.backends.torch.losses import ChooseLoss, Loss, Tensors, labelled
from pytest_edgegate.backends.training_errors import no_optimizer, training_failed
from pytest_edgegate.core.errors import CompressionError
from pytest_edgegate.core.ports import TrainingData
from pytest_edgegate.core.training import TrainingBatch
from pytest_edgegate.data.splits import Array
from pytest_edgegate.data.training_loop import Training, diverged, train, training_facts

_KIND = "torch optimizer"
_EXAMPLE = "lambda parameters, lr: torch.optim.SGD(parameters, lr)"


@dataclass(frozen=True)
class Modes:
    """Switches a module between its modes; exported ones refuse ``train()`` and ``eval()``."""

    learning: Callable[[Any], object] = lambda module: module.train()
    evaluating: Callable[[Any], object] = lambda module: module.eval()


def fit(
    module: Any,
    data: TrainingData,
    step: Training,
    what: str,
    *,
    losses: ChooseLoss = labelled,
    modes: Modes = Modes(),
) -> dict[str, Any]:
    """Trains *module* in place, on a GPU if torch finds one; returns facts about it.

    *module* takes positional tensors. Parameters that require no gradient stay as they are. After
    it, whatever has happened, the module is on the CPU, in evaluation mode and without gradients,
    and torch's random numbers go on where they were. *what* names the model.
    Raises CompressionError for a training that diverges or fails, ConfigurationError for data,
    labels or functions of the user's that don't fit.
    """
    torch = import_torch()
    job = _Job(module, data, step, what, modes)
    with _ready(torch, job, losses) as learner:
        modes.learning(module)
        means = train(data, step, learner, what)
        device = learner.device
    _refuse_not_finite(torch, job)
    return {
        "device": device.name,
        "threads": torch.get_num_threads(),
        "optimizer": str(data.settings.identity()["optimizer"]),
        **training_facts(step, data.settings, means),
    }


def check_fit(
    module: Any, data: TrainingData, step: Training, what: str, *, modes: Modes = Modes()
) -> None:
    """Raises what ``fit`` would raise before its first batch; *module* stays as it is."""
    with _ready(import_torch(), _Job(module, data, step, what, modes), labelled):
        pass


@dataclass(frozen=True)
class _Job:
    """A module, what it is to learn from, and how."""

    module: Any
    data: TrainingData
    step: Training
    what: str
    modes: Modes


@contextmanager
def _ready(torch: Any, job: _Job, losses: ChooseLoss) -> Iterator[_Learner]:
    """All that a training needs but its batches; all is put back after."""
    settings = job.data.settings
    with ExitStack() as stack:
        stack.enter_context(_repeatable(torch, settings.seed))
        stack.callback(_put_back, job)
        example = job.data.example()
        device, outputs = _placed(torch, job, example)
        loss = losses(outputs, example, settings)
        yield _Learner(job.module, loss, _optimizer(torch, job), device, job.what)


@dataclass(frozen=True)
class _Device:
    """The device of the module, and its name."""

    torch: Any
    kind: str
    name: str

    def tensors(self, batch: TrainingBatch) -> Tensors:
        """Copies: the user's arrays may be read-only, and sums depend on where memory begins."""
        return tuple(self.torch.tensor(each, device=self.kind) for each in batch.inputs)

    def outputs(self, module: Any, batch: TrainingBatch) -> tuple[Array, ...]:
        """Moves the module here and runs it."""
        module.to(self.kind)
        with self.torch.no_grad():
            made = _outputs(module, self.tensors(batch))
        return tuple(each.float().cpu().numpy() for each in made)


class _Learner:
    """One step of the optimizer for each batch."""

    def __init__(self, module: Any, loss: Loss, optimizer: Any, device: _Device, what: str) -> None:
        self._module = module
        self._loss = loss
        self._optimizer = optimizer
        self.device = device
        self._what = what

    def __call__(self, batch: TrainingBatch) -> float:
        """The loss before the step. One that is no number is not followed."""
        with tool_errors(lambda error: _failed(self._what, error)):
            with self.device.torch.enable_grad():
                loss = self._loss(_outputs(self._module, self.device.tensors(batch)), batch)
            value = float(loss.detach())
            if isfinite(value):
                self._optimizer.zero_grad(set_to_none=True)
                loss.backward()
                self._optimizer.step()
        return value


def _outputs(module: Any, tensors: Tensors) -> Tensors:
    return tuple(import_torch().utils._pytree.tree_leaves(module(*tensors)))


def _placed(torch: Any, job: _Job, example: TrainingBatch) -> tuple[_Device, tuple[Array, ...]]:
    """The first device that the module runs on, and its outputs there for the *example*.

    A graph may name the device that it was exported on: then it is trained there.
    """
    job.modes.evaluating(job.module)
    name = "cpu"
    if torch.cuda.is_available():
        gpu = _Device(torch, "cuda", f"cuda ({torch.cuda.get_device_name()})")
        try:
            return gpu, gpu.outputs(job.module, example)
        except Exception as error:  # noqa: BLE001 - of whatever kind: it may still run on the CPU
            name = f"cpu (on the GPU: {first_line(error)})"
    cpu = _Device(torch, "cpu", name)
    try:
        return cpu, cpu.outputs(job.module, example)
    except Exception as error:  # whatever the module's own layers raise
        raise _failed(job.what, error) from error


def _optimizer(torch: Any, job: _Job) -> Any:
    """Over the parameters that may change. Raises ConfigurationError for what is no optimizer."""
    named: Mapping[str, Callable[..., Any]] = {
        "adam": torch.optim.Adam,
        "adamw": torch.optim.AdamW,
        "sgd": partial(torch.optim.SGD, momentum=0.9),
    }
    given = job.data.settings.optimizer
    factory = named[given] if isinstance(given, str) else given
    learning = [each for each in job.module.parameters() if each.requires_grad]
    with tool_errors(lambda error: no_optimizer(_KIND, first_line(error), _EXAMPLE)):
        made = factory(learning, job.step.lr)
    if not (hasattr(made, "step") and hasattr(made, "zero_grad")):
        raise no_optimizer(_KIND, f"it gives a {type(made).__name__}", _EXAMPLE)
    return made


def _failed(what: str, error: Exception) -> CompressionError:
    return training_failed(
        what,
        first_line(error),
        "compare edge_data.train, and the functions of edge_training, with what the model takes "
        "and gives; the whole traceback is at --tb=long",
    )


def _put_back(job: _Job) -> None:
    job.module.to("cpu")
    job.modes.evaluating(job.module)
    for parameter in job.module.parameters():
        parameter.grad = None


@contextmanager
def _repeatable(torch: Any, seed: int) -> Iterator[None]:
    """The same draws, threads and kernels each time; torch's own settings put back after."""
    threads, cudnn = torch.get_num_threads(), torch.backends.cudnn
    devices = range(torch.cuda.device_count())
    with (
        torch.random.fork_rng(devices=devices),
        cudnn.flags(enabled=cudnn.enabled, benchmark=False, deterministic=True),
    ):
        torch.manual_seed(seed)
        try:
            yield
        finally:
            torch.set_num_threads(threads)


def _refuse_not_finite(torch: Any, job: _Job) -> None:
    """The last step of a training can be the one that breaks the weights."""
    for name, value in job.module.state_dict().items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise diverged(job.step, job.what, f"{name} has NaN or Inf after its last step")
