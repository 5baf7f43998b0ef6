"""The sections on where the models of a run are wrong: by label, by length, and surest of it."""

import numpy as np

from infer.text.long import count
from infer.text.metrics import MATRIX, most_confused, precision_recall_f1
from report.metrics import COUNTS, confusion
from report.page import escape, show, show_p, table
from report.uncertainty import estimate, estimate_by_label, mcnemar, proportion

MAX_SHOWN = 50  # labels
MISTAKES = 10
CUT = 240  # characters of a review
CLASSES = 5  # of length


def check_confusion(run):
    """Returns the sentence on whether the IR's confusion matrices are those of TensorFlow's evaluation."""
    if len(run["labels"]) != 2:
        return check_means(run)
    differences = []
    for stage, data in run["models"].items():
        (tn, fp), (fn, tp) = confusion(*data)
        difference = sum(
            abs(count - run["results"][stage][name]) for name, count in zip(COUNTS, (tp, tn, fp, fn), strict=False)
        )
        if difference:
            differences.append(f"{difference / 2:.0f} of {stage}'s")
    if not differences:
        return "They are OpenVINO's and count the same as TensorFlow's in eval_results.txt."
    return f"They are OpenVINO's; TensorFlow's, in eval_results.txt, has {' and '.join(differences)} in other cells."


def check_means(run):
    """Returns check_confusion's sentence where eval_results.txt has only means over the labels."""
    others = []
    for stage, data in run["models"].items():
        results, counts = run["results"][stage], confusion(*data)
        ours = np.array([np.trace(counts) / counts.sum(), *precision_recall_f1(counts).mean(axis=1)])
        names = "eval_accuracy", "macro_precision", "macro_recall", "macro_f1"
        if np.abs(ours - [results[name] for name in names]).max() > 1e-6:  # of float32
            others.append(stage)
    if not others:
        return "They are OpenVINO's, with the accuracy and the means of TensorFlow's in eval_results.txt."
    return f"They are OpenVINO's; TensorFlow's has another accuracy or other means, in {' and '.join(others)}."


def write_by_label(models, labels):
    """Returns the table of what each label is worth, and for many labels that of those taken for one another."""
    counts = {stage: confusion(*data) for stage, data in models.items()}
    scores = [
        column
        for stage, (given, probabilities) in models.items()
        for column in estimate_by_label(counts[stage], given, probabilities.argmax(axis=1))
    ]
    (*_, last), (*_, final) = counts, counts.values()
    reviews, names = final.sum(axis=1), [escape(label) for label in labels]
    shown, which = range(len(labels)), "each label"
    if len(labels) > MAX_SHOWN:
        shown = sorted(shown, key=lambda i: scores[-1][i].value)[:MAX_SHOWN]
        which = f"the {MAX_SHOWN} labels with the lowest F1 in {last}; eval_by_label.txt has all"
    header = [f"{stage}: {metric}" for stage in counts for metric in ("precision", "recall", "F1")]
    rows = [[names[i], reviews[i], *(show(column[i]) for column in scores)] for i in shown]
    text = f"Precision, recall and F1 of {which}:\n\n{table(['label', 'reviews', *header], rows, 'lr')}"
    if len(labels) > MATRIX:
        pairs = [[names[i], names[j], final[i, j]] for i, j in most_confused(final)]
        text += f"\nMost often wrong in {last}:\n\n{table(['label', 'predicted', 'reviews'], pairs, 'llr')}"
    return text


def accuracy_of(answers, chosen):
    """Returns the Estimate of the accuracy of (labels, probabilities) on the chosen reviews, a bool array."""
    labels, probabilities = answers
    right = (probabilities.argmax(axis=1) == labels)[chosen]
    return proportion(right.sum(), len(right))


def classes_of(lengths):
    """Returns {name: bool array (reviews,)}: at most CLASSES classes of length, of about as many reviews each."""
    ends = np.unique(np.quantile(lengths, np.arange(1, CLASSES + 1) / CLASSES, method="lower"))
    begins = [lengths.min(), *(end + 1 for end in ends[:-1])]
    return {
        f"{begin} to {end}" if begin < end else f"{end}": (begin <= lengths) & (lengths <= end)
        for begin, end in zip(begins, ends, strict=True)
    }


def write_accuracy_by_length(run):
    """Returns the table of accuracy by the reviews' length, as the guide's way predicts them."""
    rows = [
        [name, chosen.sum(), *(show(accuracy_of(data, chosen)) for data in run["models"].values())]
        for name, chosen in classes_of(run["by_length"]["lengths"]).items()
    ]
    return (
        f"Accuracy by length, of which each class has about as many reviews. Read are the first "
        f"{run['by_length']['room']} WordPieces:\n\n" + table(["WordPieces", "reviews", *run["models"]], rows, "lr")
    )


def write_mistakes(run):
    """Returns the table of the wrong answers of which result2 is surest."""
    labels, probabilities = run["models"]["result2"]
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero(predicted != labels)
    if not len(wrong):
        return "result2 has no test review wrong.\n"
    surest = wrong[np.argsort(-confidence[wrong], kind="stable")][:MISTAKES]
    rows = [
        [
            f"{escape(run['labels'][predicted[i]])}<br>{confidence[i]:.5f}",
            escape(run["labels"][labels[i]]),
            escape(shorten(run["texts"][i])),
        ]
        for i in surest
    ]
    return (
        f"Of its {len(wrong)} wrong answers result2 is surest of these {len(surest)}; some may be labelled wrong:\n\n"
        + table(["predicted", "label", "review"], rows, "l")
    )


def shorten(text):
    """Returns the beginning of a text, of at most CUT characters."""
    return text if len(text) <= CUT else text[: CUT - 1].rstrip() + "…"


def write_by_length(run):
    """Returns the tables of how well reviews of each length are predicted, by each way to read the longer ones."""
    room, lengths, answers = (run["by_length"][name] for name in ("room", "lengths", "answers"))
    counted, longer = count(lengths, room), lengths > room
    if not longer.any():
        return f"No test review is longer than the {room} WordPieces that the model reads.\n"
    results, guide = run["results"]["result2"], run["models"]["result2"]
    classes = {
        f"up to {room}": ~longer,
        f"up to {2 * room}": longer & (lengths <= 2 * room),
        f"more than {2 * room}": lengths > 2 * room,
    }
    ways = {"the guide's way": guide, **answers}
    rows = [
        [name, chosen.sum(), "", *(show(accuracy_of(way, chosen)) for way in ways.values())]
        for name, chosen in classes.items()
        if chosen.any()
    ]
    measured = estimate({name: [way] for name, way in ways.items()})[0].values()
    accuracies, losses = ([show(estimates[metric]) for estimates in measured] for metric in ("accuracy", "loss"))
    rows.append(["all", len(lengths), f"{results['eval_accuracy']:.4f}", *accuracies])
    rows.append(["all: loss", "", f"{results['eval_loss']:.4f}", *losses])
    unread = {long: counted["beyond" if long == "windows" else "cut"] for long in answers}
    read = {long: f"{1 - pieces / counted['pieces']:.1%}" for long, pieces in unread.items()}
    rows.append(["WordPieces read", "", read["cut"], read["cut"], *read.values()])
    effort = {long: f"{counted['windows'] / len(lengths):.2f}" if long == "windows" else "1" for long in answers}
    rows.append(["rows a review", "", "1", "1", *effort.values()])
    paired = mcnemar(guide[0], *(answers[long][1].argmax(axis=1) for long in ("cut", "windows")))
    return (
        f"{longer.sum()} of {len(lengths)} test reviews are longer than the {room} WordPieces that the model reads. "
        "Training, TensorFlow and the guide's way read their beginning. What `make score LONG=` makes of them, without "
        f"anything trained again: `cut` the same, `head_tail` their first {room // 4} and their last "
        f"{room - room // 4}, `windows` all of them, in as few windows as hold them. Accuracy by the number of "
        "WordPieces:\n\n"
        + table(["WordPieces", "reviews", "TensorFlow's eval_results.txt", *ways], rows, "lr")
        + f"\nOf them `windows` gets {paired.gained} right that `cut` gets wrong, and {paired.lost} wrong that `cut` "
        f"gets right (McNemar's exact test, {show_p(paired.p_value)}).\n"
    )
