"""Writes the lists of what a Keras file and a SavedModel may name, from the installed packages.

``python tests/backends/keras/vetting/make_lists.py`` prints what would change in
``pytest_edgegate/backends/keras/vetting/*.toml``; with ``--write`` it changes them. Read the
difference before committing it: each new name is code that a file may call. ``make lint`` runs it,
so that the lists are those of the versions in constraints.txt.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import pkgutil
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

LISTS = Path(__file__).parents[4] / "pytest_edgegate" / "backends" / "keras" / "vetting"

# Layers that run code of the file's choice, or open files that it names.
REFUSED_LAYERS = frozenset(
    {
        "Lambda",
        "TFSMLayer",
        "TorchModuleWrapper",
        "JaxLayer",
        "FlaxLayer",
        "TFOpLambda",
        "SlicingOpLambda",
        "ClassMethod",
        "InstanceMethod",
        "InstanceProperty",
        "TensorFlowOpLayer",
        "DenseFeatures",
        "SequenceFeatures",
        "LinearModel",
        "WideDeepModel",
        "Layer",
        "Operation",
        "Wrapper",
        "AbstractRNNCell",
        "PreprocessingLayer",
        "PreprocessingStage",
        "FunctionalPreprocessingStage",
        "HashedCrossing",
        "Function",
        "AWQConfig",
        "GPTQConfig",
        "QuantizationConfig",
        "MeanMetricWrapper",
        "LossFunctionWrapper",
        "SumOverBatchSizeMetricWrapper",
        "DeviceWrapper",
        "ResidualWrapper",
        "DropoutWrapper",
        "ReloadedLayer",
        "ModuleWrapper",
    }
)
# Operations that take functions.
REFUSED_OPERATIONS = frozenset(
    {
        "Map",
        "Scan",
        "AssociativeScan",
        "WhileLoop",
        "ForiLoop",
        "Cond",
        "VectorizedMap",
        "Switch",
        "CustomGradient",
        "Vectorize",
        "ApplyAlongAxis",
        "Operation",
        "Function",
        "JVP",
        "Jvp",
    }
)

# What the source of no listed class has; the bases of all layers and models load only when asked.
_REACHING = re.compile(
    r"func_load|_parse_config_to_function|saved_model\.load|load_model\(|globals\(\)|pickle\.load"
    r"|marshal\.load|(?<![.\w])(eval|exec|open)\(|import_module|gfile"
)
_READS_WORDS = frozenset({"IndexLookup"})
"""Opens its vocabulary where that is the path of a file, which no configuration may tell."""
_BASES = frozenset(
    {
        "Layer",
        "Model",
        "Functional",
        "Sequential",
        "Trainer",
        "Operation",
        "KerasSaveable",
    }
)

# Stateless operators without text, resources or functions do arithmetic, but for these.
_DOUBTFUL = (
    "Dataset",
    "Reader",
    "TPU",
    "Tpu",
    "Xla",
    "Collective",
    "Debug",
    "Summary",
    "Queue",
    "Send",
    "Recv",
    "Ref",
    "Iterator",
    "Host",
    "Infeed",
    "Prelinearize",
    "DTensor",
    "Mesh",
    "Deadline",
    "BoostedTrees",
    "Sdca",
    "CompressElement",
    "Deserialize",
    "Serialize",
    "CopyOp",
    "RelayoutLike",
    "Snapshot",
)
REVIEWED = {
    # How values, functions and variables of the graph itself are reached.
    "reviewed": """
        VarHandleOp ReadVariableOp AssignVariableOp AssignAddVariableOp AssignSubVariableOp
        VarIsInitializedOp ResourceGather ResourceGatherNd VariableShape DisableCopyOnRead
        VariableV2 Variable Assign IsVariableInitialized
        PartitionedCall StatefulPartitionedCall While StatelessWhile If StatelessIf Case
        StatelessCase For SymbolicGradient MapDefun
        Enter Exit NextIteration LoopCond Switch Merge RefSwitch RefMerge RefEnter RefExit
        RefNextIteration RefIdentity RefSelect ControlTrigger
        TensorArrayV3 TensorArrayReadV3 TensorArrayWriteV3 TensorArrayGatherV3
        TensorArrayScatterV3 TensorArraySizeV3 TensorArrayConcatV3 TensorArraySplitV3
        TensorArrayGradV3 TensorArrayCloseV3 TensorListStack TensorMapLookup TensorMapStackKeys
        Assert CheckNumerics CheckNumericsV2 Empty Einsum PreventGradient
        GatherNd ScatterNd ScatterNdNonAliasingAdd TensorScatterAdd TensorScatterMax
        TensorScatterMin TensorScatterSub TensorScatterUpdate ResourceScatterUpdate
        ScaleAndTranslate ImageProjectiveTransformV2 ImageProjectiveTransformV3 ExtractGlimpse
        ExtractGlimpseV2 DataFormatDimMap DataFormatVecPermute DenseToDenseSetOperation
        DenseToSparseSetOperation SparseToSparseSetOperation RaggedCross RaggedTensorToTensor
        UniformQuantizedConvolution UniformQuantizedConvolutionHybrid
        CompositeTensorVariantFromComponents CompositeTensorVariantToComponents
        IteratorGetNext ApplyAdam ApplyAdagrad ApplyFtrl ApplyGradientDescent ApplyMomentum
        ApplyRMSProp ResourceApplyAdam ResourceApplyAdagrad ResourceApplyAdagradV2
        ResourceApplyFtrl ResourceApplyFtrlV2 ResourceApplyGradientDescent ResourceApplyMomentum
        ResourceApplyKerasMomentum ResourceApplyRMSProp ResourceApplyCenteredRMSProp
        ResourceApplyAdaMax ResourceApplyAdadelta
        ScalarSummary HistogramSummary ImageSummary MergeSummary
        CudnnRNN CudnnRNNV2 CudnnRNNV3 CudnnRNNBackprop CudnnRNNBackpropV2 CudnnRNNBackpropV3
    """,
    # Random numbers.
    "random": """
        RandomUniform RandomUniformInt RandomStandardNormal TruncatedNormal RandomShuffle
        RandomGamma RandomPoissonV2 Multinomial ParameterizedTruncatedNormal RandomCrop
        RngReadAndSkip RngSkip StatefulUniform StatefulUniformInt StatefulUniformFullInt
        StatefulStandardNormalV2 StatefulTruncatedNormal StatefulRandomBinomial
        StatelessRandomGetAlg SampleDistortedBoundingBox SampleDistortedBoundingBoxV2
    """,
    # Text inside of the graph, tables that are filled from it, and pictures in bytes.
    "text": """
        HashTableV2 MutableHashTableV2 MutableHashTableOfTensorsV2 MutableDenseHashTableV2
        AnonymousHashTable AnonymousMutableHashTable LookupTableFindV2 LookupTableSizeV2
        LookupTableImportV2 LookupTableExportV2 LookupTableInsertV2 LookupTableRemoveV2
        InitializeTableV2
        AsString StringFormat StringJoin StringLength StringLower StringUpper StringNGrams
        StringSplit StringSplitV2 StringStrip StringToHashBucket StringToHashBucketFast
        StringToHashBucketStrong StringToNumber Substr ReduceJoin UnsortedSegmentJoin
        RegexFullMatch RegexReplace StaticRegexFullMatch StaticRegexReplace
        UnicodeDecode UnicodeDecodeWithOffsets UnicodeEncode UnicodeTranscode
        DecodeBase64 EncodeBase64 DecodeRaw DecodePaddedRaw DecodeCSV
        DecodeJpeg DecodePng DecodeBmp DecodeGif DecodeImage DecodeAndCropJpeg DecodeWav
        EncodeJpeg EncodePng EncodeWav ExtractJpegShape
        ParseExample ParseExampleV2 ParseSingleExample ParseTensor Print
    """,
    # Only inside of the functions that the saver_def names, of their own form.
    "saver": """
        SaveV2 RestoreV2 MergeV2Checkpoints ShardedFilename StringJoin StaticRegexFullMatch Const
        Identity IdentityN NoOp Select SelectV2 Pack ReadVariableOp AssignVariableOp
        DisableCopyOnRead Placeholder PlaceholderWithDefault VarHandleOp VariableV2 Assign
        StatefulPartitionedCall LookupTableExportV2 LookupTableImportV2
    """,
}

SYMBOLS = """
    __operators__.getitem __operators__.add __operators__.radd __operators__.or
    __operators__.and __operators__.ror __operators__.rand __operators__.xor __operators__.rxor
    __operators__.eq __operators__.ne
    math.abs math.accumulate_n math.acos math.acosh math.add math.add_n math.angle math.argmax
    math.argmin math.asin math.asinh math.atan math.atan2 math.atanh math.ceil math.conj math.cos
    math.cosh math.count_nonzero math.cumprod math.cumsum math.cumulative_logsumexp math.digamma
    math.divide math.divide_no_nan math.equal math.erf math.erfc math.erfcinv math.erfinv math.exp
    math.expm1 math.floor math.floordiv math.floormod math.greater math.greater_equal math.igamma
    math.igammac math.imag math.in_top_k math.invert_permutation math.is_finite math.is_inf
    math.is_nan math.is_non_decreasing math.is_strictly_increasing math.l2_normalize math.lbeta
    math.less math.less_equal math.lgamma math.log math.log1p math.log_sigmoid math.log_softmax
    math.logical_and math.logical_not math.logical_or math.logical_xor math.maximum math.minimum
    math.mod math.multiply math.multiply_no_nan math.negative math.nextafter math.not_equal
    math.polyval math.pow math.real math.reciprocal math.reciprocal_no_nan math.reduce_all
    math.reduce_any math.reduce_euclidean_norm math.reduce_logsumexp math.reduce_max
    math.reduce_mean math.reduce_min math.reduce_prod math.reduce_std math.reduce_sum
    math.reduce_variance math.rint math.round math.rsqrt math.scalar_mul math.sigmoid math.sign
    math.sin math.sinh math.softmax math.softplus math.softsign math.sqrt math.square
    math.squared_difference math.subtract math.tan math.tanh math.top_k math.truediv math.xdivy
    math.xlog1py math.xlogy math.zero_fraction
    compat.v1.nn.conv2d compat.v1.nn.depthwise_conv2d compat.v1.nn.relu_layer
    compat.v1.transpose compat.v1.gather compat.v1.floor_div compat.v1.div compat.v1.reduce_sum
    compat.v1.reduce_mean compat.v1.reduce_max compat.v1.shape compat.v1.squeeze compat.v1.size
    compat.v1.expand_dims compat.v1.strided_slice compat.v1.where compat.v1.pad
    nn.atrous_conv2d nn.avg_pool nn.avg_pool1d nn.avg_pool2d nn.avg_pool3d nn.batch_normalization
    nn.bias_add nn.conv1d nn.conv2d nn.conv2d_transpose nn.conv3d nn.convolution nn.crelu
    nn.depth_to_space nn.depthwise_conv2d nn.elu nn.gelu nn.l2_loss nn.l2_normalize nn.leaky_relu
    nn.local_response_normalization nn.log_softmax nn.max_pool nn.max_pool1d nn.max_pool2d
    nn.max_pool3d nn.moments nn.normalize_moments nn.pool nn.relu nn.relu6 nn.selu
    nn.separable_conv2d nn.sigmoid nn.silu nn.softmax nn.softplus nn.softsign nn.space_to_batch
    nn.space_to_depth nn.swish nn.tanh nn.top_k nn.embedding_lookup nn.with_space_to_batch
    image.adjust_brightness image.adjust_contrast image.adjust_hue image.adjust_saturation
    image.central_crop image.convert_image_dtype image.crop_and_resize image.crop_to_bounding_box
    image.extract_patches image.flip_left_right image.flip_up_down image.grayscale_to_rgb
    image.hsv_to_rgb image.non_max_suppression image.pad_to_bounding_box
    image.per_image_standardization image.resize image.resize_with_crop_or_pad
    image.resize_with_pad image.rgb_to_grayscale
    image.rgb_to_hsv image.rot90 image.transpose image.combined_non_max_suppression
    linalg.band_part linalg.diag linalg.diag_part linalg.einsum linalg.l2_normalize linalg.matmul
    linalg.matrix_transpose linalg.matvec linalg.norm linalg.normalize linalg.tensordot
    linalg.trace linalg.cross linalg.eye
    signal.dct signal.fft signal.fft2d signal.frame signal.hamming_window signal.hann_window
    signal.ifft signal.irfft signal.rfft signal.stft signal.overlap_and_add
    argsort batch_to_space bitcast boolean_mask broadcast_to cast clip_by_norm clip_by_value concat
    constant convert_to_tensor dynamic_partition dynamic_stitch edit_distance ensure_shape
    expand_dims eye fill gather gather_nd guarantee_const identity identity_n linspace meshgrid
    norm one_hot ones ones_like pad parallel_stack quantization.dequantize
    quantization.fake_quant_with_min_max_args quantization.fake_quant_with_min_max_vars
    quantization.fake_quant_with_min_max_vars_per_channel quantization.quantize
    quantization.quantize_and_dequantize quantization.quantize_and_dequantize_v2 range rank repeat
    reshape reverse reverse_sequence roll scatter_nd searchsorted sequence_mask shape shape_n size
    slice sort space_to_batch space_to_batch_nd split squeeze stack stop_gradient strided_slice
    tensor_scatter_nd_add tensor_scatter_nd_max tensor_scatter_nd_min tensor_scatter_nd_sub
    tensor_scatter_nd_update tile transpose truncatediv truncatemod unique unique_with_counts
    unravel_index unstack where zeros zeros_like
    debugging.check_numerics dtypes.cast dtypes.complex sparse.to_dense sparse.sparse_dense_matmul
    keras.activations.elu keras.activations.gelu keras.activations.hard_sigmoid
    keras.activations.relu keras.activations.selu keras.activations.sigmoid
    keras.activations.softmax keras.activations.softplus keras.activations.swish
    keras.activations.tanh keras.backend.batch_dot keras.backend.batch_flatten
    keras.backend.bias_add keras.backend.cast keras.backend.clip keras.backend.concatenate
    keras.backend.conv2d keras.backend.dot keras.backend.elu keras.backend.expand_dims
    keras.backend.flatten keras.backend.gather keras.backend.hard_sigmoid keras.backend.l2_normalize
    keras.backend.max keras.backend.mean keras.backend.min keras.backend.one_hot
    keras.backend.permute_dimensions keras.backend.pool2d keras.backend.relu
    keras.backend.repeat_elements keras.backend.reshape keras.backend.resize_images
    keras.backend.reverse keras.backend.shape keras.backend.sigmoid keras.backend.softmax
    keras.backend.spatial_2d_padding keras.backend.square keras.backend.sqrt keras.backend.squeeze
    keras.backend.stack keras.backend.std keras.backend.sum keras.backend.tanh keras.backend.tile
    keras.backend.transpose keras.backend.var
"""
"""TensorFlow's own names of functions that do arithmetic on their arguments."""

SHORT_NAMES = [
    "constant",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "identity",
    "lecun_normal",
    "lecun_uniform",
    "normal",
    "one",
    "ones",
    "orthogonal",
    "random_normal",
    "random_uniform",
    "truncated_normal",
    "uniform",
    "variance_scaling",
    "zero",
    "zeros",
    "stft",
    "l1",
    "l1_l2",
    "l1l2",
    "l2",
    "orthogonal_regularizer",
    "max_norm",
    "maxnorm",
    "min_max_norm",
    "non_neg",
    "nonneg",
    "radial_constraint",
    "unit_norm",
    "unitnorm",
    "celu",
    "elu",
    "exponential",
    "gelu",
    "glu",
    "hard_shrink",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "hard_tanh",
    "leaky_relu",
    "linear",
    "log_sigmoid",
    "log_softmax",
    "mish",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "soft_shrink",
    "softmax",
    "softplus",
    "softsign",
    "sparse_plus",
    "sparse_sigmoid",
    "sparsemax",
    "squareplus",
    "swish",
    "tanh",
    "tanh_shrink",
    "threshold",
]
"""Words that Keras itself looks up in tables of its own."""

HEADER = """\
# {what}
#
# Made by tests/backends/keras/vetting/make_lists.py with {versions}.
# Each name is code that a file may call without asking: read every change.
"""


def keras_lists() -> dict[str, list[str]]:
    """Of Keras 3."""
    import keras

    objects = set(_exported(keras, "keras"))
    operations: set[str] = set()
    for module in _modules("keras.src.ops"):
        for name, _ in _classes(module, keras.Operation):
            if name not in REFUSED_OPERATIONS:
                operations.add(f"{module.__name__}.{name}")
    internal = {
        f"{module.__name__}.{name}"
        for module in _modules("keras.src.applications")
        for name, _ in _classes(module, keras.layers.Layer)
    }
    return {
        "objects": sorted(objects | operations | internal),
        "functions": sorted(_functions(keras, "keras")),
        "bare": sorted(
            _bare(objects | operations | internal) | {"Functional", "Model", "Sequential"}
        ),
        "words": sorted(_words(keras)),
        "symbols": [],
    }


def tf_keras_lists() -> dict[str, list[str]]:
    """Of tf-keras, whose saved names begin with ``keras`` or with its own."""
    import tensorflow as tf
    import tf_keras
    from tensorflow.python.ops import init_ops_v2
    from tf_keras.src.layers import serialization

    objects = set(_exported(tf_keras, "keras"))
    internal = {
        f"{module.__name__.replace('tf_keras', 'keras', 1)}.{name}"
        for package in (
            "tf_keras.src.layers",
            "tf_keras.src.applications",
            "tf_keras.src.engine.base_layer",
            "tf_keras.src.engine.input_layer",
        )
        for module in _modules(package)
        for name, kind in _classes(module, tf_keras.layers.Layer)
        if _is_harmless(name, kind)
    }
    serialization.populate_deserializable_objects()
    known = {
        name
        for name, kind in serialization.LOCAL.ALL_OBJECTS.items()
        if inspect.isclass(kind) and _is_harmless(name, kind)
    }
    registered = {
        tf_keras.utils.get_registered_name(kind)
        for module in _modules("tf_keras.src.applications")
        for _, kind in _classes(module, tf_keras.layers.Layer)
    }
    initial = {f"{init_ops_v2.__name__}.{name}" for name, _ in _classes(init_ops_v2, object)}
    return {
        "objects": sorted(objects | internal | initial),
        "functions": sorted(_functions(tf_keras, "keras")),
        "bare": sorted(_bare(objects) | known | registered | {"Functional", "Model", "Sequential"}),
        "words": sorted(_words(tf_keras)),
        "symbols": sorted({each for each in SYMBOLS.split() if _symbol(tf, tf_keras, each)}),
    }


def operator_lists() -> dict[str, list[str]]:
    """Of TensorFlow."""
    import tensorflow as tf
    from tensorflow.core.framework import op_def_pb2
    from tensorflow.python.client import pywrap_tf_session

    known = op_def_pb2.OpList()
    known.ParseFromString(pywrap_tf_session.TF_GetBuffer(pywrap_tf_session.TF_GetAllOpList()))
    every = {each.name for each in known.op}
    plain = [
        each.name
        for each in known.op
        if not each.name.startswith("_")
        and hasattr(tf.raw_ops, each.name)
        and not any(part in each.name for part in _DOUBTFUL)
        and not _reaches_out(each)
    ]
    made = {"plain": sorted(plain)}
    for part, names in REVIEWED.items():
        made[part] = sorted(each for each in set(names.split()) if each in every)
    return made


def _reaches_out(op: Any) -> bool:
    """Whether an operator keeps or takes more than numbers, going by its own definition."""
    from tensorflow.core.framework import types_pb2

    texts = any(
        each.type in ("string", "list(string)", "func", "list(func)")
        and not each.HasField("allowed_values")
        for each in op.attr
    )
    ends = (*op.input_arg, *op.output_arg)
    others = any(
        each.is_ref or each.type in (types_pb2.DT_STRING, types_pb2.DT_RESOURCE) for each in ends
    )
    return bool(op.is_stateful or texts or others)


def _exported(package: ModuleType, prefix: str) -> Iterator[str]:
    """Layers, and the objects that layers are configured with, by their public names."""
    for part in (
        "layers",
        "initializers",
        "regularizers",
        "constraints",
        "dtype_policies",
        "quantizers",
        "mixed_precision",
        "random",
        "layers.experimental",
        "layers.experimental.preprocessing",
        "optimizers",
        "optimizers.schedules",
        "losses",
        "metrics",
    ):
        module = _attribute(package, part)
        for name, kind in vars(module).items() if module is not None else ():
            if inspect.isclass(kind) and _is_harmless(name, kind):
                yield f"{prefix}.{part}.{name}"
    for name in (
        "DTypePolicy",
        "FloatDTypePolicy",
        "Model",
        "Sequential",
        "Functional",
        "Initializer",
        "Quantizer",
    ):
        yield f"{prefix}.{name}"
    for part in (
        "models",
        "src.models.functional",
        "src.models.sequential",
        "src.models.model",
        "src.engine.functional",
        "src.engine.sequential",
        "src.engine.training",
    ):
        yield from (f"{prefix}.{part}.{name}" for name in ("Model", "Sequential", "Functional"))


def _is_harmless(name: str, kind: type) -> bool:
    names = {name, kind.__name__}
    return not names & REFUSED_LAYERS and not name.startswith("_") and not reaching(kind)


def reaching(kind: type) -> list[str]:
    """What in the source of a class, or of one that it is made from, could run what a file says."""
    found = []
    for each in kind.__mro__:
        own = each.__module__.split(".")[0] in ("keras", "tf_keras")
        if own and each.__name__ not in _BASES | _READS_WORDS:
            try:
                source = inspect.getsource(each)
            except (OSError, TypeError):
                continue
            found += [f"{each.__name__}: {part[0]}" for part in _REACHING.finditer(source)]
    return found


def _functions(package: ModuleType, prefix: str) -> Iterator[str]:
    """Activations, losses and metrics: ``keras.activations.relu``, and ``relu`` alone."""
    for part in ("activations", "losses", "metrics"):
        for name in _callables(getattr(package, part)):
            yield from (name, f"{prefix}.{part}.{name}")


def _callables(module: ModuleType) -> Iterator[str]:
    for name, thing in vars(module).items():
        if inspect.isfunction(thing) and name not in ("get", "serialize", "deserialize"):
            yield name


def _bare(objects: Iterable[str]) -> set[str]:
    return {each.rsplit(".", 1)[1] for each in objects}


def _words(package: ModuleType) -> set[str]:
    """What may stand as a word where an activation, an initializer or the like is wanted."""
    found = {*SHORT_NAMES, *_callables(package.activations)}
    for part in ("initializers", "regularizers", "constraints"):
        module = _attribute(package, part)
        found.update(_callables(module))
        found.update(name for name, kind in vars(module).items() if inspect.isclass(kind))
    return found


def _modules(package: str) -> Iterator[ModuleType]:
    found = importlib.import_module(package)
    yield found
    for each in pkgutil.walk_packages(getattr(found, "__path__", []), f"{package}."):
        if not each.name.rsplit(".", 1)[1].endswith("_test") and ".legacy" not in each.name:
            try:
                yield importlib.import_module(each.name)
            except ImportError:  # of what is not installed
                continue


def _classes(module: ModuleType, base: type) -> Iterator[tuple[str, type]]:
    for name, kind in vars(module).items():
        if inspect.isclass(kind) and issubclass(kind, base) and kind.__module__ == module.__name__:
            yield name, kind


def _attribute(package: Any, path: str) -> Any:
    for each in path.split("."):
        package = getattr(package, each, None)
    return package


def _symbol(tf: Any, tf_keras: Any, name: str) -> bool:
    if name.startswith("__operators__."):
        return True
    root, path = (tf_keras, name[6:]) if name.startswith("keras.") else (tf, name)
    return callable(_attribute(root, path))


def document(what: str, lists: dict[str, list[str]], packages: Iterable[str]) -> str:
    versions = ", ".join(f"{each} {version(each)}" for each in packages)
    made = HEADER.format(what=what, versions=versions)
    for part, names in lists.items():
        wrapped = textwrap.wrap(
            ", ".join(f'"{each}"' for each in names),
            96,
            break_long_words=False,
            break_on_hyphens=False,
        )
        made += f"\n{part} = [\n" + "".join(f"  {line}\n" for line in wrapped) + "]\n"
    return made


def made() -> dict[str, str]:
    """Every list by its file's name."""
    return {
        "tensorflow.toml": document(
            "Operators that a SavedModel may hold.", operator_lists(), ["tensorflow"]
        ),
        "keras.toml": document(
            "What a file may name that Keras 3 loads.", keras_lists(), ["keras"]
        ),
        "tf_keras.toml": document(
            "What a file may name that tf-keras loads.", tf_keras_lists(), ["tf-keras"]
        ),
    }


def main() -> None:
    """Shows what differs from the lists that are shipped, and exits with 1 if anything does."""
    differs = False
    for name, text in made().items():
        path = LISTS / name
        before = path.read_text("utf-8") if path.exists() else ""
        sys.stdout.writelines(
            difflib.unified_diff(before.splitlines(True), text.splitlines(True), name, name, n=0)
        )
        differs |= before != text
        if "--write" in sys.argv:
            path.write_text(text, "utf-8")
    sys.exit(differs and "--write" not in sys.argv)


if __name__ == "__main__":
    main()
