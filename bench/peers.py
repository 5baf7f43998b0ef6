"""Derives what else the peers read: python -m bench.peers huggingface classifier.onnx OUTPUT_DIR

Runs in the bench environment. Of `make onnx`'s file, fused.onnx, from ONNX Runtime's optimizer for BERT, and both in
dynamic INT8; of `make huggingface`'s folder, the IR openvino/ that Optimum exports itself, as its users would have it,
and CTranslate2's ctranslate2/ and ctranslate2-int8/.
"""

import argparse
import json
import logging
import os
import shutil
import warnings
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)

from ctranslate2.converters import TransformersConverter  # noqa: E402
from onnx import TensorProto  # noqa: E402
from onnxruntime.quantization import QuantType, quantize_dynamic  # noqa: E402
from onnxruntime.transformers.optimizer import optimize_model  # noqa: E402
from optimum.intel import OVModelForSequenceClassification  # noqa: E402

from infer.text.script import run  # noqa: E402


def derive_onnx(file, config, folder):
    """Writes fused.onnx, and classifier-int8.onnx and fused-int8.onnx."""
    fused = optimize_model(
        str(file), "bert", num_heads=config["num_attention_heads"], hidden_size=config["hidden_size"]
    )
    fused.save_model_to_file(str(folder / "fused.onnx"))
    for graph in (file, folder / "fused.onnx"):
        # ONNX can't infer the types of the fused operations' outputs; all of them are FP32.
        quantize_dynamic(
            graph,
            folder / f"{graph.stem}-int8.onnx",
            weight_type=QuantType.QInt8,
            extra_options={"DefaultTensorType": TensorProto.FLOAT},
        )


def main():
    parser = argparse.ArgumentParser(
        prog="python -m bench.peers", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("huggingface", type=Path, help="the folder that `make huggingface` writes")
    parser.add_argument("onnx", type=Path, help="the file that `make onnx` writes, classifier.onnx")
    parser.add_argument("output_dir", type=Path, help="the folder to make")
    args = parser.parse_args()

    folder = args.output_dir.with_name(args.output_dir.name + ".part")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    derive_onnx(args.onnx, json.loads((args.huggingface / "config.json").read_text(encoding="utf-8")), folder)
    OVModelForSequenceClassification.from_pretrained(
        args.huggingface, export=True, compile=False, load_in_8bit=False
    ).save_pretrained(folder / "openvino")
    for name, quantization in (("ctranslate2", None), ("ctranslate2-int8", "int8")):
        TransformersConverter(str(args.huggingface)).convert(str(folder / name), quantization=quantization)
    shutil.rmtree(args.output_dir, ignore_errors=True)
    folder.rename(args.output_dir)
    print(f"{args.output_dir}: {', '.join(sorted(path.name for path in args.output_dir.iterdir()))}")


if __name__ == "__main__":
    run(main)
