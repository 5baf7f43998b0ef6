import pytest
from serving import serving

from infer import Classifier


@pytest.fixture(scope="module")
def served(classifier):
    """A server with its defaults."""
    with serving(classifier) as found:
        yield found


@pytest.fixture(scope="module")
def model(classifier):
    """What must have been asked: the Classifier itself."""
    return Classifier(classifier)
