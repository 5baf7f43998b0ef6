"""One window of rows scored: what the engines have in common."""

import pyarrow as pa

from infer.score.writing import to_parquet, to_text


def add_columns(labels, taken):
    """Returns {column: Arrow type} of what is added to a row whose columns are `taken`, which keep their names.

    The columns of labels are in lower case, unless two labels would then have the same one.
    """
    lower = [label.lower() for label in labels]
    names = lower if len(set(lower)) == len(labels) else labels
    added = {"label": pa.string()} | {f"p_{name}": pa.float32() for name in names}
    return {free_name(name, taken): kind for name, kind in added.items()}


def free_name(name, taken):
    return free_name(f"predicted_{name}", taken) if name in taken else name


def score_window(classifier, window, texts, schema, added, suffix):
    """Predicts a window.

    Args:
      classifier: infer.Classifier.
      window: list of dicts, or pa.Table: its rows.
      texts: list of str, one of each row.
      schema: pa.Schema of the rows.
      added: list of str, the names of the columns that are added, as of add_columns.
      suffix: of the output's format, such as .csv.
    Returns: the bytes of its part.
    Raises: one of UNFIT if a value does not fit into such a file; FloatingPointError if an answer is NaN or infinite.
    """
    probabilities = classifier.predict_window(texts)
    labels = [classifier.labels[i] for i in probabilities.argmax(1)]
    answers = dict(zip(added, [labels, *probabilities.T], strict=True))
    return (to_parquet if suffix == ".parquet" else to_text)(window, answers, schema, suffix)
