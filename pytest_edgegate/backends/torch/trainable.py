"""Trainable modules: a copy of the user's module, or one rebuilt from an exported program."""

from __future__ import annotations

import copy
from typing import Any

from pytest_edgegate.backends.tools import first_line
from pytest_edgegate.backends.torch.arguments import Arguments
from pytest_edgegate.backends.torch.exporting import flat_module
from pytest_edgegate.backends.torch.layers import Layers
from pytest_edgegate.backends.torch_programs import refuse_other_floats
from pytest_edgegate.core.errors import UnsupportedError
from pytest_edgegate.core.ports import LoadedModel


def trainable_of(name: str, loaded: LoadedModel) -> Any:
    """The model as a module that may be trained.

    Raises UnsupportedError where there is none, and for one that no export takes after it.
    """
    if loaded.trainable is None:
        raise UnsupportedError(
            f"{name} has no weights that could be trained", "give a torch module or a .pt2 file"
        )
    if loaded.stateful:
        raise UnsupportedError(
            f"{name} writes to a buffer in its forward, and no file for a device keeps anything "
            "from one run to the next",
            "give that state as an input and return it as an output",
        )
    if loaded.framework_model is not None:
        refuse_other_floats(name, loaded)
    return loaded.trainable()


def copied(torch: Any, module: Any, arguments: Arguments, name: str) -> Any:
    """A copy of a live module over positional tensors that gives a flat tuple.

    Raises UnsupportedError for one that can't be copied or has nothing to train.
    """
    _refuse(module, name)
    try:
        copy_of = copy.deepcopy(module).to("cpu")  # a training moves it to where it runs
    except Exception as error:  # any type: user-defined parts are copied
        raise UnsupportedError(
            f"{name} can't be copied, and a training must not change the model under test: "
            f"{first_line(error)}",
            "save it with torch.export.save(torch.export.export(model, (x,)), path) and return "
            "the path of the .pt2 file from edge_model",
        ) from error
    return flat_module(torch, copy_of, arguments)


def rebuilt(torch: Any, program: Any, name: str) -> Any:
    """An ``nn.Module`` of an exported *program* over positional tensors with a flat tuple.

    Layers are layers again, so that they have two modes and can be changed; what else the program
    calls stays a call, and its parameters stay parameters. A layer that is called twice is one
    layer. What was exported in training mode stays in it.
    Raises UnsupportedError for a program whose batch is fixed or that has nothing to train.
    """
    refuse_fixed_batch(program, name)
    unlifted = program.module(check_guards=False)
    graph = unlifted.graph
    layers = Layers(torch, unlifted)
    for node in list(graph.nodes):
        path = layers.path_of(node)
        if path is not None:
            _replace(graph, node, path)
        elif node.target is torch.ops.aten._assert_tensor_metadata.default:
            graph.erase_node(node)  # it names the device that the program was exported on
    for node in list(graph.nodes):
        if node.op == "get_attr" and not node.users:
            graph.erase_node(node)
    graph.set_codegen(torch.fx.graph.CodeGen())
    made = torch.fx.GraphModule(layers.attributes(graph), graph, "Rebuilt").eval()
    _refuse(made, name)
    return made


def refuse_fixed_batch(program: Any, name: str) -> None:
    """Raises UnsupportedError for an exported *program* that takes so many samples and no more."""
    values = {node.name: node.meta.get("val") for node in program.graph.nodes}
    for each in program.graph_signature.user_inputs:
        shape = values[each].shape
        if shape and isinstance(shape[0], int):
            raise UnsupportedError(
                f"{name} takes exactly {shape[0]} sample{'s' if shape[0] != 1 else ''} at once, "
                "and trainings go over batches",
                "let its forward take any batch (x.shape[0], no number, no len(x)), and export it "
                "with a free one: torch.export.export(model, (x,), dynamic_shapes=({0: "
                'torch.export.Dim("batch")},)), x of 2 samples',
            )


def _replace(graph: Any, node: Any, path: str) -> None:
    """Calls the layer at *path* with the tensor that the operator takes first."""
    with graph.inserting_before(node):
        call = graph.create_node("call_module", path, (_data(node),))
    call.meta = node.meta
    users = list(node.users)
    if isinstance(node.meta.get("val"), tuple):  # of an operator that gives statistics too
        for user in users:
            user.replace_all_uses_with(call)
            graph.erase_node(user)
    else:
        node.replace_all_uses_with(call)
    graph.erase_node(node)


def _data(node: Any) -> Any:
    """The tensor that a layer is called with: all but an embedding take it first."""
    named = [each.name for each in node.target._schema.arguments]
    return node.args[named.index("indices") if "indices" in named else 0]


def _refuse(module: Any, name: str) -> None:
    parameters = list(module.parameters())
    if not parameters:
        raise UnsupportedError(
            f"{name} has no parameters: there is nothing to train",
            "give a model with weights as edge_model, or a recipe that does not train: PTQ()",
        )
    if not any(each.requires_grad for each in parameters):
        raise UnsupportedError(
            f"all {len(parameters)} parameters of {name} are frozen: there is nothing to train",
            "let those that may change require gradients: parameter.requires_grad_(True)",
        )
