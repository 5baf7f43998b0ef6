"""A stage is made again when a module changes that it imports, and not when another does."""

import pytest
from checkout import ROOT, copy_checkout, make
from test_rooms import MODULES, imports

# What each stage runs, by the name that `make status` has for it.
ENTRIES = {
    "pretrained": "tf1.pretrained",
    "reviews": "inputs.reviews",
    "features": "tf1.features",
    "result1": "run_classifier",
    "result2": "run_classifier",
    "pb": "ckpt_to_pb",
    "fc": "export_fc",
    "tensorflow (predict)": "run_classifier_predict",
    "openvino (predict)": "infer.__main__",
    "classifier": "infer.convert",
    "int8": "infer.quantize",
    "huggingface": "export.huggingface",
    "onnx": "export.onnx",
}


def closure(name):
    """Returns an entry's name, what it imports, inside functions too, and what those import as they start."""
    found, todo = {name}, imports(MODULES[name])
    while todo:
        found |= todo
        parents = {name.rsplit(".", 1)[0] for name in found if "." in name}
        todo = (parents | {other for name in todo for other in imports(MODULES[name], nested=False)}) - found
    return found


@pytest.fixture(scope="module")
def checkout(built, tmp_path_factory):
    return copy_checkout(tmp_path_factory.mktemp("modules") / "checkout", build=built)


@pytest.mark.more
@pytest.mark.parametrize("name", MODULES)
def test_an_edited_module_remakes_the_stages_that_import_it_and_no_others(name, checkout):
    path = checkout / MODULES[name].relative_to(ROOT)
    text = path.read_text()
    path.write_text(text + "\n# a comment\n")
    try:
        told = dict(line.split(": ", 1) for line in make(checkout, "status", "PROFILE=tiny").splitlines())
    finally:
        path.write_text(text)
    why = f"{path.relative_to(checkout)} differs from what it was made with"
    remade = {stage for stage in ENTRIES if told[stage] == why}
    expected = {stage for stage, entry in ENTRIES.items() if name in closure(entry)}
    assert remade == (expected - {"result2"} if name == "run_classifier" else expected), "result2 runs the patched copy"
