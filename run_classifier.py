"""Fine-tunes BERT to tell positive movie reviews from negative ones, and evaluates it.

Runs in the tf1 environment. Flags, model and input pipeline are google-research/bert's own (bert-tensorflow
1.0.1); the metrics are those of its notebook predicting_movie_reviews_with_bert_on_tf_hub.ipynb. BERT comes in one
of two ways: as the guide's checkpoint, --init_checkpoint with --bert_config_file and --vocab_file, or as the
notebook's TF Hub module, --bert_hub_module_handle.
"""

import math
import os
import sys

from tf1.flags import FLAGS, flags, run  # first, since it silences the others' warnings on import

# isort: split
import tensorflow as tf
from bert import run_classifier as upstream  # defines upstream's flags
from bert import run_classifier_with_tfhub as upstream_hub  # defines --bert_hub_module_handle
from bert import tokenization
from tqdm import tqdm

from infer.text.bert_config import read_config_and_vocab
from infer.text.labels import MAX_LABELS, write_labels
from infer.text.metrics import precision_recall_f1, write_metrics
from infer.text.vocab import read_casing
from tf1 import workers
from tf1.adam import optimization
from tf1.checkpoint import HUB_SCOPE, read_checkpoint
from tf1.encoder import modeling
from tf1.hub import read_module
from tf1.input_fn import feature_settings, input_fn_builder, read_features, read_label_names

# Upstream's flags that have no effect here are rejected rather than ignored.
for name in "task_name use_tpu tpu_name tpu_zone gcp_project master num_tpu_cores iterations_per_loop".split():
    delattr(FLAGS, name)
flags.DEFINE_integer("random_seed", 0, "Seed of initial weights, batch order and dropout.")
flags.DEFINE_bool("deterministic", False, "Compute in one thread: slower, but two runs are equal to the last bit.")
for name in ("train_batch_size", "eval_batch_size", "predict_batch_size", "save_checkpoints_steps"):
    flags.register_validator(name, lambda value: value > 0, "must be positive")


SAVE_SUMMARY_STEPS = 10  # steps between two points of the loss and accuracy curves


def model_fn_builder(bert_config, num_labels, init_checkpoint, learning_rate, num_train_steps, num_warmup_steps):
    """Returns the `model_fn` for TPUEstimator. Source: bert.run_classifier.model_fn_builder."""

    def model_fn(features, labels, mode, params):
        label_ids = features["label_ids"]
        is_training = (mode == tf.estimator.ModeKeys.TRAIN)
        inputs = (features["input_ids"], features["input_mask"], features["segment_ids"], label_ids, num_labels)
        if FLAGS.bert_hub_module_handle:
            loss, per_example_loss, logits = upstream_hub.create_model(is_training, *inputs)
            probabilities = tf.nn.softmax(logits)
        else:
            loss, per_example_loss, logits, probabilities = upstream.create_model(
                bert_config, is_training, *inputs, use_one_hot_embeddings=False
            )
        draw_dropout_by_step()
        if init_checkpoint:
            init_from_checkpoint(init_checkpoint)
        Spec = tf.contrib.tpu.TPUEstimatorSpec
        if mode == tf.estimator.ModeKeys.PREDICT:
            return Spec(mode=mode, predictions={"probabilities": probabilities})
        if mode == tf.estimator.ModeKeys.EVAL:
            return Spec(mode=mode, loss=loss, eval_metrics=(metric_fn, [per_example_loss, label_ids, logits]))
        with workers.averaged_gradients():
            train_op = optimization.create_optimizer(loss, learning_rate, num_train_steps, num_warmup_steps, False)
        # Upstream leaves open whether a step is counted before or after its learning rate is computed. Here: after.
        updates, increment = train_op.control_inputs
        tf.contrib.graph_editor.add_control_inputs(increment, updates)
        correct = tf.equal(tf.argmax(logits, axis=-1, output_type=tf.int32), label_ids)
        train_accuracy = tf.reduce_mean(tf.cast(correct, tf.float32))
        # In one tensor with the loss, which every worker averages in every step: only worker 0 writes the summary.
        loss, train_accuracy = tf.unstack(workers.average(tf.stack([loss, train_accuracy])))
        tf.compat.v1.summary.scalar("train_accuracy", train_accuracy)
        return Spec(mode=mode, loss=loss, train_op=train_op)

    return model_fn


def init_from_checkpoint(init_checkpoint):
    """Initialises the trainable variables from `init_checkpoint`: the whole encoder, and the head if it has one.

    Raises: SystemExit if an encoder variable is missing or of another shape.
    """
    tvars = tf.compat.v1.trainable_variables()
    shapes = dict(tf.train.list_variables(init_checkpoint))
    # Maps to variables, not to their names as upstream: by name a module's variables are not found.
    assignment_map = {var.op.name: var for var in tvars if var.op.name in shapes}
    for var in tvars:
        name = var.op.name
        if name not in shapes and name.startswith(("bert/", HUB_SCOPE)):
            sys.exit(f"{init_checkpoint}: no variable {name}: of another BERT model, or of one from a TF Hub module")
        if name in shapes and var.shape.as_list() != shapes[name]:
            sys.exit(
                f"{init_checkpoint}: {name} has shape {shapes[name]}, this BERT model wants {var.shape.as_list()}: "
                "they belong to different models"
            )
    tf.compat.v1.train.init_from_checkpoint(init_checkpoint, assignment_map)


def draw_dropout_by_step():
    """Makes each dropout mask follow from --random_seed, the worker, the dropout's place in the graph, and the step.

    TensorFlow's own random numbers begin anew with each process, so a resumed run would draw the masks of its first
    steps again; and --random_seed does not reach the dropout of a TF Hub module.
    """
    draws = [op for op in tf.compat.v1.get_default_graph().get_operations() if op.type == "RandomUniform"]
    for i, draw in enumerate(draws):
        key = (FLAGS.random_seed << 32) + (workers.RANK << 16) + i
        seed = tf.stack([key, tf.compat.v1.train.get_or_create_global_step()])
        with tf.name_scope(draw.name.rpartition("/")[0] + "/"):
            mask = tf.random.stateless_uniform(draw.inputs[0], seed, dtype=draw.outputs[0].dtype)
        tf.contrib.graph_editor.reroute_ts(mask, draw.outputs[0])


def metric_fn(per_example_loss, label_ids, logits):
    """Returns upstream's eval_accuracy and eval_loss, the confusion matrix, and of two labels the notebook's metrics.

    As there, auc is of predicted labels, not of scores, and f1_score is tf.contrib's: the best F1 over thresholds, one
    of which calls every review positive. The plain F1 follows from the counts; report/ has it.
    """
    predicted_labels = tf.argmax(logits, axis=-1, output_type=tf.int32)
    metrics = tf.compat.v1.metrics
    found = {
        "eval_accuracy": metrics.accuracy(label_ids, predicted_labels),
        "eval_loss": metrics.mean(per_example_loss),
        "confusion": confusion_matrix(label_ids, predicted_labels, logits.shape[1]),
    }
    if logits.shape[1] != 2:
        return found
    return {
        **found,
        "f1_score": tf.contrib.metrics.f1_score(label_ids, predicted_labels),
        "auc": metrics.auc(label_ids, predicted_labels),
        "recall": metrics.recall(label_ids, predicted_labels),
        "precision": metrics.precision(label_ids, predicted_labels),
        "true_positives": metrics.true_positives(label_ids, predicted_labels),
        "true_negatives": metrics.true_negatives(label_ids, predicted_labels),
        "false_positives": metrics.false_positives(label_ids, predicted_labels),
        "false_negatives": metrics.false_negatives(label_ids, predicted_labels),
    }


def confusion_matrix(label_ids, predicted_labels, num_labels):
    """Returns the streaming metric, as of tf.metrics: int64 (labels, labels), reviews by label and predicted label."""
    kept = [tf.compat.v1.GraphKeys.LOCAL_VARIABLES, tf.compat.v1.GraphKeys.METRIC_VARIABLES]
    zeros = tf.zeros([num_labels, num_labels], tf.int64)
    total = tf.compat.v1.Variable(zeros, trainable=False, collections=kept, name="confusion")
    return total, total.assign_add(tf.math.confusion_matrix(label_ids, predicted_labels, num_labels, tf.int64))


class Progress(tf.estimator.SessionRunHook):
    """A progress bar: steps done and in total, time left, examples per second."""

    def __init__(self, description, batch_size, steps, done=0):
        self.description, self.batch_size, self.steps, self.done = description, batch_size, steps, done

    def begin(self):
        self.bar = tqdm(
            desc=self.description,
            total=self.steps,
            initial=self.done,
            unit="step",
            mininterval=1 if sys.stderr.isatty() else 15,
        )

    def after_run(self, run_context, run_values):
        self.bar.update()
        examples = (self.bar.n - self.done) * self.batch_size
        self.bar.set_postfix_str(f"{examples / self.bar.format_dict['elapsed']:.1f} examples/s", refresh=False)

    def end(self, session):
        self.bar.close()


def read_model():
    """Checks the flags on the model; returns (BertConfig, or None with a TF Hub module; vocab.txt; do_lower_case).

    Raises: SystemExit if the flags mix the two ways, a file is missing or damaged, or configuration, vocabulary and
      --max_seq_length don't belong together.
    """
    if not FLAGS.output_dir:
        sys.exit("--output_dir is required")
    if workers.RANK:  # only worker 0 writes results, and the others get its weights
        FLAGS.output_dir, FLAGS.init_checkpoint = workers.scratch_folder(), None
    if FLAGS.bert_hub_module_handle:
        bert_config = None
        vocab_file, do_lower_case, max_position_embeddings = read_hub_model()
    else:
        bert_config = read_checkpoint_model()
        vocab_file = FLAGS.vocab_file
        do_lower_case = FLAGS.do_lower_case if FLAGS["do_lower_case"].present else read_casing(vocab_file)
        try:
            tokenization.validate_case_matches_checkpoint(do_lower_case, FLAGS.init_checkpoint)
        except ValueError:
            sys.exit(
                f"--do_lower_case={do_lower_case}: by its name {FLAGS.init_checkpoint} was pre-trained the other "
                f"way: use --do_lower_case={not do_lower_case}, for the features too"
            )
        max_position_embeddings = bert_config.max_position_embeddings
    if not 2 < FLAGS.max_seq_length <= max_position_embeddings:
        sys.exit(
            f"--max_seq_length={FLAGS.max_seq_length}: choose 3 to {max_position_embeddings}, "
            "the model's positions ([CLS] and [SEP] take two)"
        )
    if FLAGS.init_checkpoint:
        read_checkpoint(FLAGS.init_checkpoint)
    return bert_config, vocab_file, do_lower_case


def read_hub_model():
    """The notebook's way: returns (vocab.txt, do_lower_case, maximum length) of --bert_hub_module_handle."""
    for name in ("bert_config_file", "vocab_file"):
        if FLAGS[name].value:
            sys.exit(f"--{name} and --bert_hub_module_handle: give one; the module has a {name[:-5]} of its own")
    vocab_file, do_lower_case, config = read_module(FLAGS.bert_hub_module_handle, session_config())
    if FLAGS.init_checkpoint and not any(name.startswith(HUB_SCOPE) for name in read_checkpoint(FLAGS.init_checkpoint)):
        sys.exit(
            f"--init_checkpoint={FLAGS.init_checkpoint} and --bert_hub_module_handle: give one; beside a module, "
            "only a checkpoint fine-tuned from it is accepted"
        )
    return vocab_file, do_lower_case, config["max_position_embeddings"]


def read_checkpoint_model():
    """The guide's way: returns the BertConfig of --bert_config_file; exits if --vocab_file is of another model."""
    for name in ("bert_config_file", "vocab_file"):
        if not FLAGS[name].value:
            sys.exit(f"--{name} is required, or --bert_hub_module_handle in its place")
    for path in (FLAGS.bert_config_file, FLAGS.vocab_file):
        if not os.path.isfile(path):
            sys.exit(f"{path}: no such file")
    return modeling.BertConfig(**read_config_and_vocab(FLAGS.bert_config_file, FLAGS.vocab_file))


def to_features(reviews, vocab_file, do_lower_case):
    """Converts (text, label id) pairs to a list of upstream's InputFeatures, with upstream's FullTokenizer."""
    tokenizer = tokenization.FullTokenizer(vocab_file, do_lower_case)
    examples = [upstream.InputExample(guid=None, text_a=text, label=label) for text, label in reviews]
    return upstream.convert_examples_to_features(examples, range(MAX_LABELS), FLAGS.max_seq_length, tokenizer)


def session_config():
    """Returns the ConfigProto of every session: one thread if --deterministic, else TensorFlow's default number."""
    threads = int(FLAGS.deterministic)
    return tf.compat.v1.ConfigProto(
        allow_soft_placement=True, intra_op_parallelism_threads=threads, inter_op_parallelism_threads=threads
    )


def make_estimator(bert_config, num_labels, num_train_steps=None):
    """Returns the TPUEstimator, on CPU or GPU, that trains, evaluates and predicts."""
    num_warmup_steps = int((num_train_steps or 0) * FLAGS.warmup_proportion)
    return tf.contrib.tpu.TPUEstimator(
        use_tpu=False,
        model_fn=model_fn_builder(
            bert_config, num_labels, FLAGS.init_checkpoint, FLAGS.learning_rate, num_train_steps, num_warmup_steps
        ),
        config=tf.contrib.tpu.RunConfig(
            model_dir=FLAGS.output_dir,
            tf_random_seed=FLAGS.random_seed,
            save_checkpoints_steps=None if workers.RANK else FLAGS.save_checkpoints_steps,
            save_summary_steps=None if workers.RANK else SAVE_SUMMARY_STEPS,
            keep_checkpoint_max=2,
            session_config=session_config(),
        ),
        train_batch_size=FLAGS.train_batch_size,
        eval_batch_size=FLAGS.eval_batch_size,
        predict_batch_size=FLAGS.predict_batch_size,
    )


def forget_unfinished_checkpoints():
    """Removes checkpoints that are not whole from output_dir's list.

    TensorFlow was killed before it could write the .meta, or Make was, and deleted the .index as a target of its own.
    """
    state = tf.train.get_checkpoint_state(FLAGS.output_dir)
    listed = state.all_model_checkpoint_paths if state else []
    complete = [path for path in listed if all(os.path.exists(path + end) for end in (".meta", ".index"))]
    if complete:
        tf.compat.v1.train.update_checkpoint_state(FLAGS.output_dir, complete[-1], complete)
    elif listed:
        os.remove(os.path.join(FLAGS.output_dir, "checkpoint"))


def train(estimator, files, num_train_steps):
    """Trains on TFRecord files up to `num_train_steps`, from the last checkpoint in --output_dir if there is one."""
    forget_unfinished_checkpoints()
    done = 0
    if tf.train.latest_checkpoint(FLAGS.output_dir):
        done = int(estimator.get_variable_value("global_step"))
        print(f"resuming {FLAGS.output_dir} at step {done} of {num_train_steps}", flush=True)
    done = workers.broadcast_from_rank_0(done)
    if done == num_train_steps:
        return
    share = (workers.SIZE, workers.RANK)
    # The order is seeded, so a resumed run can skip the batches that it was trained on.
    input_fn = input_fn_builder(files, FLAGS.max_seq_length, True, FLAGS.random_seed, share, skip=done)
    hooks = workers.train_hooks()
    if not workers.RANK:
        hooks.append(Progress("train", FLAGS.train_batch_size, num_train_steps, done))
    estimator.train(input_fn, max_steps=num_train_steps, hooks=hooks)


def evaluate(estimator, files, count, labels):
    """Evaluates on the `count` reviews of TFRecord files; writes eval_results.txt, and eval_by_label.txt.

    The weights are those of the last checkpoint in --output_dir, or else of --init_checkpoint.
    """
    checkpoint = tf.train.latest_checkpoint(FLAGS.output_dir) or FLAGS.init_checkpoint
    if not workers.RANK and (not checkpoint or "output_weights" not in read_checkpoint(checkpoint)):
        sys.exit(f"{checkpoint or FLAGS.output_dir}: no fine-tuned checkpoint to evaluate: use --do_train=true first")
    input_fn = input_fn_builder(files, FLAGS.max_seq_length, False, share=(workers.SIZE, workers.RANK))
    hooks = workers.evaluate_hooks()
    if not workers.RANK:
        batch_size = FLAGS.eval_batch_size * workers.SIZE
        hooks.append(Progress("evaluate", batch_size, math.ceil(count / batch_size)))
    result = estimator.evaluate(input_fn, hooks=hooks, checkpoint_path=checkpoint)
    if workers.RANK:
        return

    counts = result.pop("confusion")
    if len(labels) != 2:
        names = ("macro_precision", "macro_recall", "macro_f1")
        result.update(zip(names, precision_recall_f1(counts).mean(axis=1).astype("float32")))
    by_label = write_metrics(counts, labels)
    lines = [f"{key} = {result[key]!s}\n" for key in sorted(result)]
    for name, text in (("eval_by_label.txt", by_label), ("eval_results.txt", "".join(lines))):
        path = os.path.join(FLAGS.output_dir, name)
        with open(path + ".part", "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(path + ".part", path)
        print(text, end="")


def main():
    if FLAGS.do_predict:
        sys.exit("--do_predict: use run_classifier_predict.py")
    if not FLAGS.do_train and not FLAGS.do_eval:
        sys.exit("nothing to do: use --do_train=true, --do_eval=true or both")
    if not FLAGS.data_dir:
        sys.exit("--data_dir is required")
    if FLAGS.train_batch_size % workers.SIZE:
        sys.exit(f"--train_batch_size={FLAGS.train_batch_size}: {workers.SIZE} workers can't share it equally")
    bert_config, vocab_file, do_lower_case = read_model()
    settings = feature_settings(vocab_file, do_lower_case, FLAGS.max_seq_length)

    num_train_steps = None
    if FLAGS.do_train:
        train_files, train_count = read_features(FLAGS.data_dir, "train", settings)
        num_train_steps = int(train_count / FLAGS.train_batch_size * FLAGS.num_train_epochs)
        if not num_train_steps:
            sys.exit(
                f"{train_count} reviews make no step of --train_batch_size={FLAGS.train_batch_size} "
                f"in --num_train_epochs={FLAGS.num_train_epochs}"
            )
    if FLAGS.do_eval:
        test_files, test_count = read_features(FLAGS.data_dir, "test", settings)
    os.makedirs(FLAGS.output_dir, exist_ok=True)
    labels = read_label_names(FLAGS.data_dir)
    write_labels(FLAGS.output_dir, labels)
    estimator = make_estimator(bert_config, len(labels), num_train_steps)
    with workers.exit_if_worker_lost():
        if FLAGS.do_train:
            train(estimator, train_files, num_train_steps)
        if FLAGS.do_eval:
            evaluate(estimator, test_files, test_count, labels)


if __name__ == "__main__":
    run(main)
