"""The one way in which torch modules are trained here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from math import isfinite
from typing import Any

from pytest_edgegate.backends.tools import tool_errors
from pytest_edgegate.backends.torch.exporting import first_line
from pytest_edgegate.backends.torch.loading import import_torch
from pytest_edgegate.backends.torch.losses import ChooseLoss, Loss, Tensors, labelled
from pytest_edgegate.core.errors import CompressionError, ConfigurationError
from pytest_edgegate.core.ports import TrainingData
from pytest_edgegate.core.training import TrainingBatch
from pytest_edgegate.data.splits import Array
from pytest_edgegate.data.training import Training, train


@dataclass(frozen=True)
class Modes:
    """How a module is put into its two modes; exported ones refuse ``train()`` and ``eval()``."""

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
    """Trains *module* in its place, on a GPU where torch finds one; gives what is to be told of it.

    *module* takes positional tensors. Parameters that require no gradient stay as they are. After
    it, whatever has happened, the module is on the CPU, in evaluation mode and without gradients,
    and torch's random numbers go on where they were. *what* names the model.
    Raises CompressionError for a training that diverges or fails, ConfigurationError for data,
    labels or functions of the user's that don't fit.
    """
    torch = import_torch()
    settings = data.settings
    with _ready(torch, module, data, step, what, losses, modes) as learner:
        modes.learning(module)
        means = train(data, step, learner, what)
        device = learner.device
    _refuse_not_finite(torch, module, step, what)
    return {
        "device": device.name,
        "threads": torch.get_num_threads(),
        "seed": settings.seed,
        "optimizer": str(settings.identity()["optimizer"]),
        "lr": step.lr,
        "epochs": step.epochs,
        "batch_size": settings.batch_size,
        "losses": list(means),
    }


def check_fit(
    module: Any, data: TrainingData, step: Training, what: str, *, modes: Modes = Modes()
) -> None:
    """Raises what ``fit`` would raise before its first batch; *module* stays as it is."""
    with _ready(import_torch(), module, data, step, what, labelled, modes):
        pass


@contextmanager
def _ready(
    torch: Any,
    module: Any,
    data: TrainingData,
    step: Training,
    what: str,
    losses: ChooseLoss,
    modes: Modes,
) -> Iterator[_Learner]:
    """All that a training needs but its batches; all is put back after."""
    settings = data.settings
    with ExitStack() as stack:
        stack.enter_context(_repeatable(torch, settings.seed))
        stack.callback(_put_back, module, modes)
        example = data.example()
        device, outputs = _placed(torch, module, example, modes, what)
        loss = losses(outputs, example, settings)
        yield _Learner(module, loss, _optimizer(torch, module, data, step), device, what)


@dataclass(frozen=True)
class _Device:
    """Where the module is, and what that is called."""

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


def _placed(
    torch: Any, module: Any, example: TrainingBatch, modes: Modes, what: str
) -> tuple[_Device, tuple[Array, ...]]:
    """The first device that the module runs on, and its outputs there for the *example*.

    A graph may name the device that it was exported on: then it is trained there.
    """
    modes.evaluating(module)
    name = "cpu"
    if torch.cuda.is_available():
        gpu = _Device(torch, "cuda", f"cuda ({torch.cuda.get_device_name()})")
        try:
            return gpu, gpu.outputs(module, example)
        except Exception as error:  # noqa: BLE001 - of whatever kind: it may still run on the CPU
            name = f"cpu (on the GPU: {first_line(error)})"
    cpu = _Device(torch, "cpu", name)
    try:
        return cpu, cpu.outputs(module, example)
    except Exception as error:  # whatever the module's own layers raise
        raise _failed(what, error) from error


def _optimizer(torch: Any, module: Any, data: TrainingData, step: Training) -> Any:
    """Over the parameters that may change. Raises ConfigurationError for what is no optimizer."""
    named: Mapping[str, Callable[..., Any]] = {
        "adam": torch.optim.Adam,
        "adamw": torch.optim.AdamW,
        "sgd": partial(torch.optim.SGD, momentum=0.9),
    }
    given = data.settings.optimizer
    factory = named[given] if isinstance(given, str) else given
    try:
        made = factory([each for each in module.parameters() if each.requires_grad], step.lr)
    except Exception as error:  # whatever the user's factory raises
        raise _no_optimizer(first_line(error)) from error
    if not (hasattr(made, "step") and hasattr(made, "zero_grad")):
        raise _no_optimizer(f"it gives a {type(made).__name__}")
    return made


def _no_optimizer(reason: str) -> ConfigurationError:
    return ConfigurationError(
        f"the optimizer of edge_training makes no torch optimizer: {reason}",
        "give a factory: EdgeTraining(optimizer=lambda parameters, lr: torch.optim.SGD(parameters, "
        'lr), version="1")',
    )


def _failed(what: str, error: Exception) -> CompressionError:
    return CompressionError(
        f"the training of {what} failed: {first_line(error)}",
        "compare edge_data.train, and the functions of edge_training, with what the model takes "
        "and gives; the whole traceback is at --tb=long",
    )


def _put_back(module: Any, modes: Modes) -> None:
    module.to("cpu")
    modes.evaluating(module)
    for parameter in module.parameters():
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


def _refuse_not_finite(torch: Any, module: Any, step: Training, what: str) -> None:
    """The last step of a training can be the one that breaks the weights."""
    for name, value in module.state_dict().items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise CompressionError(
                f"the training of {what} diverged: {name} has NaN or Inf after its last step, with "
                f"lr={step.lr:g}",
                f"give a smaller learning rate: {type(step).__name__}(lr={step.lr / 10:g}); "
                "nothing of this training is kept",
            )
