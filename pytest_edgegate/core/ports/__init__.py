"""The ports that backends implement. Backends are loaded by entry point, never imported."""

from pytest_edgegate.core.ports.models import (
    DeclaresInputs,
    Example,
    GraphBatch,
    HasGraph,
    HasSignatures,
    LoadedModel,
    MayOnlyRun,
    ModelReader,
    SourceModel,
    Surroundings,
    Unrolled,
)
from pytest_edgegate.core.ports.reporters import Reporter
from pytest_edgegate.core.ports.runtimes import (
    FindsHeldTwice,
    Inspector,
    RemarksOnKernels,
    Runner,
    RunsElsewhere,
    Runtime,
)
from pytest_edgegate.core.ports.timing import Device, Round, Stopwatch, Timed, TimingJob
from pytest_edgegate.core.ports.transforms import (
    ChecksAhead,
    ChildProcess,
    ExternalProgram,
    Produced,
    TakesGraphs,
    TrainingData,
    Transform,
    TransformData,
)

__all__ = [
    "ChecksAhead",
    "ChildProcess",
    "DeclaresInputs",
    "Device",
    "Example",
    "ExternalProgram",
    "FindsHeldTwice",
    "GraphBatch",
    "HasGraph",
    "HasSignatures",
    "Inspector",
    "LoadedModel",
    "MayOnlyRun",
    "ModelReader",
    "Produced",
    "RemarksOnKernels",
    "Reporter",
    "Round",
    "Runner",
    "RunsElsewhere",
    "Runtime",
    "SourceModel",
    "Stopwatch",
    "Surroundings",
    "TakesGraphs",
    "Timed",
    "TimingJob",
    "TrainingData",
    "Transform",
    "TransformData",
    "Unrolled",
]
