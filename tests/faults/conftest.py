import ast
import re

import numpy as np
import pytest
from checkout import ROOT, bare, clean_environment, copy_checkout, environments, make, make_fails, start

__all__ = ["ROOT", "bare", "clean_environment", "copy_checkout", "environments", "make", "make_fails", "start"]
GOALS = ("predict", "classifier", "int8", "PROFILE=tiny")


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """The build folder of an undisturbed run, one stage after the other; it is the tests' to leave as it was."""
    checkout = copy_checkout(tmp_path_factory.mktemp("whole") / "checkout")
    make(checkout, *GOALS)
    return checkout / "build/tiny"


def answers(build):
    """Returns the probabilities (reviews, labels) of the guide's path, of the classifier and of INT8."""
    found = re.findall(r"array\((\[.*?\])", (build / "predict/openvino.txt").read_text())
    return np.array([ast.literal_eval(numbers) for numbers in found])
