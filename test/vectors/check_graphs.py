"""Structural proof of every compiled graph: onnx.checker, and ONNX Runtime's own schemas for the com.microsoft nodes
(names, number of inputs, attributes, types). Runs on a machine without a GPU; it does not prove what a GPU computes.

  pip install onnx onnxruntime==1.30.0 numpy
  node --import tsx test/vectors/compile-all.ts test/vectors/checkpoints/ct-sym /tmp/graphs
  python test/vectors/check_graphs.py /tmp/graphs
"""

import json
import math
import pathlib
import sys

import onnx
import onnxruntime
import onnxruntime.capi.onnxruntime_pybind11_state as state

NAMES = {1: "float", 2: "uint8", 6: "int32", 7: "int64", 10: "float16", 16: "bfloat16"}
SCHEMAS = {schema.name: schema for schema in state.get_all_operator_schema() if schema.domain == "com.microsoft" or schema.name == "SimplifiedLayerNormalization"}


def types_of(graph):
    """The type of every value, by the rules of the few operators used; fails where a node does not fit."""
    types = {value.name: value.type.tensor_type.elem_type for value in graph.input}
    types.update({tensor.name: tensor.data_type for tensor in graph.initializer})
    for node in graph.node:
        for name in node.input:
            assert name == "" or name in types, f"{node.name}: input {name} is not computed before it"
        schema = SCHEMAS.get(node.op_type)
        if schema is not None:
            check_schema(node, schema, types)
        result = output_type(node, types)
        for name in node.output:
            if name:
                assert name not in types, f"{name} is computed twice"
                types[name] = result
    return types


def output_type(node, types):
    if node.op_type == "Cast":
        return next(attribute.i for attribute in node.attribute if attribute.name == "to")
    return 7 if node.op_type == "Shape" else types[node.input[0]]


def check_schema(node, schema, types):
    assert len(node.input) <= len(schema.inputs), f"{node.name}: {len(node.input)} inputs, {len(schema.inputs)} allowed"
    assert len(node.output) <= len(schema.outputs), f"{node.name}: too many outputs"
    known = set(schema.attributes)
    used = {attribute.name for attribute in node.attribute}
    assert used <= known, f"{node.name}: unknown attributes {used - known}"
    required = {name for name, attribute in schema.attributes.items() if attribute.required}
    assert required <= used, f"{node.name}: missing attributes {required - used}"
    allowed = {constraint.type_param_str: set(constraint.allowed_type_strs) for constraint in schema.type_constraints}
    bound = {}
    for formal, name in zip(schema.inputs, node.input):
        if name == "":
            assert formal.option == state.schemadef.OpSchema.FormalParameterOption.Optional, f"{node.name}: {formal.name} is required"
            continue
        kind = f"tensor({NAMES[types[name]]})"
        assert kind in allowed.get(formal.typeStr, {formal.typeStr}), f"{node.name}: {formal.name} is {kind}"
        # One type variable, one type: T of GroupQueryAttention is q, k, v, the rotary caches and the norms alike.
        assert bound.setdefault(formal.typeStr, kind) == kind, f"{node.name}: {formal.typeStr} is both {bound[formal.typeStr]} and {kind}"


def check_weights(path, model):
    """Every external tensor lies inside the weights file and has the bytes that its shape needs."""
    for tensor in model.graph.initializer:
        place = {entry.key: entry.value for entry in tensor.external_data}
        if not place:
            continue
        offset, length = int(place["offset"]), int(place["length"])
        assert offset + length <= (path.parent / place["location"]).stat().st_size, f"{tensor.name} ends outside the weights"
        item = {1: 4, 2: 1, 6: 4, 7: 8, 10: 2, 16: 2}[tensor.data_type]
        assert length == math.prod(tensor.dims) * item, f"{tensor.name}: {length} bytes for {list(tensor.dims)}"


def main(root):
    checked = 0
    for path in sorted(pathlib.Path(root).rglob("graph.onnx")):
        model = onnx.load(str(path), load_external_data=False)
        check_weights(path, model)
        onnx.load_external_data_for_model(model, str(path.parent))
        for node in model.graph.node:
            # ONNX Runtime registers this one in the standard domain, where the checker does not know it.
            if node.op_type == "SimplifiedLayerNormalization":
                node.domain = "com.microsoft"
        onnx.checker.check_model(model)
        inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
        types = types_of(inferred.graph)
        for output in model.graph.output:
            assert types[output.name] == output.type.tensor_type.elem_type == 1, f"{output.name} is not float"
        counts = {}
        for node in model.graph.node:
            counts[node.op_type] = counts.get(node.op_type, 0) + 1
        checked += 1
        print(f"ok {path.relative_to(root).parent}: {len(model.graph.node)} nodes {json.dumps(counts)}")
    assert checked > 0, f"no graph.onnx under {root}"
    print(f"{checked} graphs checked with onnx {onnx.__version__}, onnxruntime {onnxruntime.__version__}")


if __name__ == "__main__":
    main(sys.argv[1])
