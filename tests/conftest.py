"""What holds for all tests; ``pytester`` is loaded by pyproject.toml."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from typing import Any

import pytest
import warm_python
from warm_python import torch_tables
from warm_python.gate import Python

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what runs in its background with Ctrl-C ignored, which the pytests that tests
    # start would inherit: those that are interrupted would never end.
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Threads of torch wait for each other in a loop, which takes three times the time of the training
# itself where others need the cores; and sums of other threads have other roundings.
os.environ.setdefault("OMP_NUM_THREADS", "1")
for pool in ("INTRAOP", "INTEROP"):  # TensorFlow's threads wait in the same way
    os.environ.setdefault(f"TF_NUM_{pool}_THREADS", "1")

# Frameworks make objects by the hundred thousand that live on: to look through them as often as
# Python does by default takes a tenth of the time.
gc.set_threshold(*warm_python.SELDOM)


FRAMEWORKS = (
    "tests/backends/",
    "tests/damage/",
    "tests/formats/",
    "tests/mutations/",
    "tests/unit/emulation/",
)
"""Folders whose tests start processes that import frameworks."""
WARM = pytest.StashKey[warm_python.Server]()


def pytest_configure(config: pytest.Config) -> None:
    """In the controller, or the only process: workers of pytest-xdist have the server of it."""
    if warm_python.possible() and warm_python.ADDRESS not in os.environ:
        config.stash[WARM] = server = warm_python.Server("import warm_python.frameworks")
        os.environ[warm_python.ADDRESS] = server.address


def pytest_collection_finish() -> None:
    gc.freeze()  # what is collected lives on as long as the run does


def pytest_unconfigure(config: pytest.Config) -> None:
    if WARM in config.stash:
        config.stash[WARM].close()
        del os.environ[warm_python.ADDRESS]


@pytest.fixture(scope="session")
def warm_python_m(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A program whose ``-m pytest`` and ``-m pytest_edgegate`` start with their imports done."""
    if not warm_python.possible():
        yield sys.executable
        return
    python = Python(tmp_path_factory.mktemp("python"))
    yield str(python.path)
    python.close()


@pytest.fixture(scope="module")
def no_other_plugins() -> Iterator[None]:
    """The pytests that tests start have the gate's plugin, and none of what else is installed here,
    which takes half a second to import."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        patch.setenv("PYTEST_ADDOPTS", "-p edgegate")
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[Any]:
    torch_tables.keep()
    warm = warm_python.forked() if item.nodeid.startswith(FRAMEWORKS) else nullcontext()
    with warm:
        return (yield)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A line for each reason that something was skipped for."""
    counted = skipped(terminalreporter.stats.get("skipped", []))
    if counted:
        terminalreporter.section("skipped")
    for reason, count in counted.most_common():
        terminalreporter.line(f"{count:5} {reason}")


def skipped(reports: Iterable[pytest.TestReport | pytest.CollectReport]) -> Counter[str]:
    """How often each reason was given."""
    return Counter(_reason(each.longrepr) for each in reports)


def _reason(told: object) -> str:
    """Of the path, line and reason that pytest tells, the reason."""
    *_, reason = told if isinstance(told, tuple | list) else (told,)
    return str(reason).removeprefix("Skipped: ")


TOGETHER = (
    (
        "backends/torch/test_qat.py",
        "backends/litert/test_from_torch_int8.py",
        "backends/onnx/test_from_torch_int8.py",
    ),
    ("backends/litert/test_qat_from_keras.py", "backends/onnx/test_qat_from_keras.py"),
)
"""Files whose fixtures train the same networks: one worker takes all of them."""
LONGEST = (
    "backends/torch/test_qat.py",
    "example/test_example_project.py",
    "backends/litert/test_from_onnx.py",
    "backends/litert/test_qat_from_keras.py",
    "formats/test_recipes.py",
    "docs/test_ci.py",
    "contract/test_accepting.py",
    "formats/test_microcontrollers.py",
    "unit/emulation/test_gate.py",
    "mutations/test_detectors.py",
    "backends/vela/test_figures.py",
    "mutations/test_mutations.py",
    "unit/session/test_framework.py",
    "fuzz/test_fuzz.py",
    "backends/openvino/test_from_keras.py",
    "formats/test_framework_process.py",
    "backends/litert/test_unrolled.py",
    "unit/emulation/test_terminal.py",
    "mutations/test_emulated_mutations.py",
    "contract/test_regressions.py",
    "backends/litert/test_from_torch.py",
    "backends/keras/test_training.py",
    "formats/test_gates.py",
    "contract/test_before_the_work.py",
    "unit/measures/test_latency.py",
    "damage/test_damage.py",
    "backends/litert/edgetpu/test_tool.py",
    "backends/litert/test_fused.py",
    "browser/test_html_in_a_browser.py",
    "backends/keras/test_prune.py",
    "backends/torch/test_trainable.py",
    "backends/litert/test_loops.py",
    "contract/test_accepting_trust.py",
    "contract/test_tools.py",
    "unit/emulation/test_emulator.py",
    "unit/workers/test_workers.py",
    "docs/test_tutorial.py",
    "backends/torch/test_modules.py",
    "backends/keras/pruning/test_networks.py",
    "mutations/test_onnx_mutations.py",
    "docs/test_detection.py",
    "contract/test_training.py",
    "backends/torch/test_prune.py",
    "contract/test_selection.py",
    "contract/test_bad_input.py",
    "backends/litert/test_masks.py",
    "mutations/test_feed_mutations.py",
    "unit/session/test_own_program.py",
    "unit/commands/test_init.py",
    "backends/keras/test_traced.py",
    "formats/test_feeding.py",
    "backends/keras_qat/test_keras_qat.py",
    "backends/onnx/test_from_torch.py",
    "backends/torch/test_traced.py",
    "backends/litert/test_contract.py",
)
"""Files that take more than eight seconds: begun first, so that no worker waits for one at the end,
where the folders that come last have short ones."""


def _unit(nodeid: str) -> str:
    """The files that a test is run with, by the name of their first one."""
    file = nodeid.split("::", maxsplit=1)[0].removeprefix("tests/")
    return next((files[0] for files in TOGETHER if file in files), file)


def _turn(item: pytest.Item) -> int:
    unit = _unit(item.nodeid)
    return LONGEST.index(unit) if unit in LONGEST else len(LONGEST)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):
        items.sort(key=_turn)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """``--dist loadfile``, but for files that are taken together, and in the order of the items."""
    from xdist.scheduler import LoadScopeScheduling

    class ByUnit(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return _unit(nodeid)

    if config.getoption("dist") != "loadfile":
        return None
    config.option.loadscopereorder = False
    return ByUnit(config, log)
