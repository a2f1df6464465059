"""Random networks: whatever they are built of, what is removed is what would be masked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_edgegate.backends.keras.pruning.choosing import Cutback

WIDTHS = (3, 5, 8)
GROW = ("conv", "dense", "separable", "bn", "act", "depthwise", "prelu", "softmax", "shared")
MERGE = ("add", "multiply", "maximum", "concatenate", "rows", "excite")
STEPS = st.lists(
    st.tuples(st.sampled_from(GROW + MERGE), *[st.integers(0, 11)] * 3), min_size=3, max_size=9
)


class Builder:
    """A network of 4 x 4 images whose every step reads tensors made before."""

    def __init__(self, keras: Any) -> None:
        self.keras, self.layers = keras, keras.layers
        self.image = keras.Input((4, 4, 2))
        first = self.layers.Conv2D(5, 3, padding="same")(self.image)
        self.pool = [first]
        self.shared: dict[int, Any] = {}

    def step(self, kind: str, one: int, other: int, width: int) -> None:
        x, y = (self.pool[at % len(self.pool)] for at in (one, other))
        grow = getattr(self, f"_{kind}", None)
        made = self._merge(kind, x, y) if grow is None else grow(x, WIDTHS[width % 3])
        self.pool.append(made)

    def model(self, flat: bool) -> Any:
        x = self.layers.Concatenate()([self.pool[-1], self.pool[0]])
        x = self.layers.Flatten()(x) if flat else self.layers.GlobalMaxPooling2D()(x)
        return self.keras.Model(self.image, self.layers.Dense(3)(x))

    def _conv(self, x: Any, width: int) -> Any:
        return self.layers.Conv2D(width, 3, padding="same", activation="relu")(x)

    def _dense(self, x: Any, width: int) -> Any:
        return self.layers.Dense(width, activation="tanh")(x)

    def _separable(self, x: Any, width: int) -> Any:
        return self.layers.SeparableConv2D(width, 3, padding="same", depth_multiplier=2)(x)

    def _bn(self, x: Any, width: int) -> Any:
        return self.layers.BatchNormalization()(x)

    def _act(self, x: Any, width: int) -> Any:
        return self.layers.Activation("gelu")(x)

    def _depthwise(self, x: Any, width: int) -> Any:
        times = 2 if width == 3 and x.shape[-1] < 9 else 1
        return self.layers.DepthwiseConv2D(3, padding="same", depth_multiplier=times)(x)

    def _prelu(self, x: Any, width: int) -> Any:
        return self.layers.PReLU(shared_axes=[1] if width == 3 else None)(x)

    def _softmax(self, x: Any, width: int) -> Any:
        return self.layers.Softmax()(x)

    def _shared(self, x: Any, width: int) -> Any:
        """One layer for all tensors of a width."""
        made = self.layers.Conv2D(x.shape[-1], 1)
        return self.shared.setdefault(x.shape[-1], made)(x)

    def _excite(self, x: Any, width: int) -> Any:
        layers = self.layers
        y = layers.Dense(width, activation="relu")(layers.GlobalAveragePooling2D()(x))
        y = layers.Dense(x.shape[-1], activation="sigmoid")(y)
        return layers.Multiply()([x, layers.Reshape((1, 1, x.shape[-1]))(y)])

    def _merge(self, kind: str, x: Any, y: Any) -> Any:
        layers = self.layers
        if kind == "concatenate":
            return layers.Concatenate()([x, y])
        if x.shape[-1] != y.shape[-1]:
            y = layers.Conv2D(x.shape[-1], 1)(y)
        if kind == "rows":
            return layers.Cropping2D(((2, 2), (0, 0)))(layers.Concatenate(axis=1)([x, y]))
        return {"add": layers.Add, "multiply": layers.Multiply, "maximum": layers.Maximum}[kind]()(
            [x, y]
        )


@settings(
    deadline=None,
    max_examples=12,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(
    STEPS, st.booleans(), st.sampled_from([0.2, 0.4, 0.7]), st.sampled_from(["l1", "l2", "random"])
)
def test_removed_is_masked(
    keras: Any,
    check: Callable[..., Any],
    steps: list[tuple[str, int, int, int]],
    flat: bool,
    amount: float,
    importance: str,
) -> None:
    builder = Builder(keras)
    for kind, one, other, width in steps:
        if max(each.shape[-1] for each in builder.pool) < 40:
            builder.step(kind, one, other, width)
    pruned = check(builder.model(flat), Cutback(amount, importance, seed=1))
    for layer, (before, after) in pruned.filters.items():
        assert 0 < after < before, layer
        assert after >= before * (1 - amount) - 1e-9, layer
