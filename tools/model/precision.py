"""The precisions a graph can be made in.

int8 is quantised per output channel and dynamically: per tensor loses accuracy visibly, and fixed
activation ranges would need calibration recordings. Weights take 7 of the 8 bits: processors without
VNNI add pairs of products in 16 bits, which overflow with 8, and one file has to answer alike on all
of them. Only products with constant weights are quantised; convolutions, norms and the products
inside attention stay f32.
"""

import logging
import tempfile
from enum import StrEnum
from pathlib import Path

import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic

from . import graph
from .weights import LidWeights


class Precision(StrEnum):
    """int8 for processors, f16 for GPUs, f32 as the measure of both."""

    INT8 = "int8"
    F32 = "f32"
    F16 = "f16"


def build(weights: LidWeights, precision: Precision) -> dict[Precision, onnx.ModelProto]:
    """The graph in the wanted precision; for int8 also the f32 graph that it is measured by."""
    match precision:
        case Precision.F32:
            return {precision: graph.build(weights)}
        case Precision.F16:
            return {precision: graph.build(weights, half=True)}
        case Precision.INT8:
            full = graph.build(weights)
            return {Precision.F32: full, precision: _quantised(full)}


def _quantised(full: onnx.ModelProto) -> onnx.ModelProto:
    logging.getLogger().addFilter(lambda record: "pre-processing" not in record.getMessage())
    with tempfile.TemporaryDirectory(prefix="cofi-model-") as folder:
        path = Path(folder) / "lid.onnx"
        quantize_dynamic(
            full,
            path,
            op_types_to_quantize=["MatMul"],
            per_channel=True,
            reduce_range=True,
            weight_type=QuantType.QInt8,
        )
        quantised = onnx.load(path)
    del quantised.metadata_props[:]
    quantised.metadata_props.extend(full.metadata_props)
    return quantised
