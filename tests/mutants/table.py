"""Small wrong programs, each of which the tests have to tell from the right one."""

from typing import NamedTuple


class Mutant(NamedTuple):
    name: str
    path: str
    old: str  # a piece of the file, which it has once
    new: str
    job: str  # a job of make check or test, where it is looked for first
    tests: str  # a file or folder of that job's tests
    loop: str = "check"  # "test" if no test of make check can see it


IN_GRAPH, STRING = "infer/in_graph.py", ("openvino-current", "tests/infer/test_in_graph.py")
TOKENIZER, BERT = "infer/text/tokenizer.py", "infer/bert.py"
IDS, GRAPH = ("tf1", "tests/tf1/test_upstream.py"), ("openvino-current", "tests/infer/test_bert.py")
LONG, LONGER = "infer/text/long.py", ("openvino-current", "tests/infer/text/test_long.py")
BATCHES = "openvino-current", "tests/infer/text/test_tokenizer.py"
ROWS, PARTS, WRITING = (
    ("openvino-current", f"tests/infer/score/test_{name}.py") for name in ("rows", "parts", "writing")
)
OWN = "openvino-current", "tests/inputs/test_own.py"
INT8 = "openvino-current", "tests/infer/test_quantize.py", "test"
TEMPERATURE = "openvino-current", "tests/infer/test_temperature.py"
CALIBRATED = "products", "tests/products/test_calibration.py", "test"
DROPOUT = "tf1", "tests/scripts/test_dropout.py"
INPUT = "tf1", "tests/tf1/test_input_fn.py"
ADAM = "tf1", "tests/tf1/test_adam.py"
PRECISION = "openvino-current", "tests/infer/test_precision.py"
KEPT = "openvino-current", "tests/infer/test_classifier.py"
ONNX, HUB, CARD = (("openvino-current", f"tests/export/test_{name}.py") for name in ("onnx", "huggingface", "card"))
FOLDERS, FREEZE = ("tf1", "tests/tf1/test_hugging_face.py"), ("tf1", "tests/scripts/test_ckpt_to_pb.py")
UNCERTAINTY, SURE = "report/uncertainty.py", ("report", "tests/report/test_uncertainty.py")
COMPARED, BUILDS = (("report", f"tests/report/test_{name}.py") for name in ("compare", "builds"))
SHARED = "serve", "tests/infer/serve/test_batcher.py"
CORPORA, WEIGHTS = ("openvino-current", "tests/inputs/test_sources.py"), ("tf1", "tests/tf1/test_sources.py")
SOURCES = "pipeline", "tests/pipeline/test_sources.py", "test"
PIPELINE = "pipeline", "tests/pipeline/test_tiny.py::test_what_each_stage_leaves", "test"
PROOF, BUNDLE = ("products", "tests/products/test_proof.py"), ("bundle", "tests/proof/test_bundle.py")

MUTANTS = [
    # Files to texts and labels.
    Mutant("own labels: ids reversed", "inputs/own.py", "labels.index(label)", "labels[::-1].index(label)", *OWN),
    Mutant("own texts: the same on both sides", "inputs/own.py", "groups.setdefault(row[0], [])",
           "groups.setdefault(row, [])", *OWN),
    # The same from every source.
    Mutant("reviews in the order of the archive", "inputs/reviews.py", "{split: sorted(files[split]) for",
           "{split: files[split] for", *CORPORA),
    Mutant("reviews compared without their number", "inputs/sources.py", "if first != other:",
           "if {*first} != {*other}:", *CORPORA),
    Mutant("weights with the heads of pre-training", "tf1/pretrained.py", "for name in shapes}",
           "for name in variables}", *WEIGHTS),
    Mutant("weights compared by their names", "tf1/sources.py", '(said != "0")', '("shape" in said)', *WEIGHTS),
    Mutant("one source alone tried", "inputs/download.py", "            reasons.append(str(error))\n",
           "            reasons.append(str(error))\n            break\n", *SOURCES),
    Mutant("the first source taken for what came", "mk/inputs.mk", "$(if $(word 2,$(sources)),$(here)) $(sources))",
           "$(sources))", *SOURCES),
    # Texts to features.
    Mutant("casing ignored", TOKENIZER, "text = text.lower() if do_lower_case else text", "text = text", *IDS),
    Mutant("accents kept", TOKENIZER, 'return None if category(chr(code_point)) == "Mn"', "return None if False", *IDS),
    Mutant("word order reversed", TOKENIZER, "*ids[: max_seq_length - 2], sep]",
           "*ids[: max_seq_length - 2][::-1], sep]", *IDS),
    Mutant("[SEP] forgotten", TOKENIZER, "*ids[: max_seq_length - 2], sep]", "*ids[: max_seq_length - 2]]", *IDS),
    Mutant("mask ignored", TOKENIZER, "features[1, 0, : len(ids)] = 1", "features[1] = 1", *IDS),
    Mutant("a piece too many cut", TOKENIZER, "*ids[: max_seq_length - 2]", "*ids[: max_seq_length - 3]", *IDS),
    Mutant("random pieces", TOKENIZER, "ids += chunks[chunk]", "ids += [hash(i) % 999 for i in chunks[chunk]]", *IDS),
    Mutant("batches: order reversed", TOKENIZER, "= cls_sep_ids[0], pieces[:length],",
           "= cls_sep_ids[0], pieces[:length][::-1],", *BATCHES),
    Mutant("batches: [SEP] forgotten", TOKENIZER, "pieces[:length], cls_sep_ids[1]", "pieces[:length], 0", *BATCHES),
    Mutant("batches: mask ignored", TOKENIZER, "mask[: length + 2] = 1", "mask[:] = 1", *BATCHES),
    Mutant("batches: longer than the model reads", TOKENIZER, "* multiple, max_seq_length)", "* multiple, 512)",
           *BATCHES),
    Mutant("INT8: as many lengths as there are", "infer/classifier.py", '"int8": 4}', '"int8": 1}', *PRECISION),
    Mutant("batches: answers mixed up", TOKENIZER, "yield chosen, to_batch",
           "yield np.sort(chosen), to_batch", *BATCHES),
    # The same in the graph.
    Mutant("in the graph: no final sigma", IN_GRAPH, 'replace(strings, final_sigma(), "ς")', "strings", *STRING),
    Mutant("in the graph: 200 characters too many", IN_GRAPH, "MAX_INPUT_CHARS_PER_WORD + 1},",
           "MAX_INPUT_CHARS_PER_WORD},", *STRING),
    Mutant("in the graph: rows without a character lost", IN_GRAPH,
           r'replace(strings, r"\A", " ", everywhere=False)', "strings", *STRING),
    Mutant("in the graph: a mask of ones", IN_GRAPH, 'op.convert(mask, "i32").output(0)],',
           'op.add(op.multiply(input_ids, constant(0)), constant(1)).output(0)],', *STRING),
    Mutant("in the graph: other ids let through", IN_GRAPH, "        if different:", "        if False:", *STRING),
    Mutant("in the graph: a charsmap whose branches meet", "infer/charsmap.py", "if base not in taken and all(",
           "if all(", "openvino-current", "tests/infer/test_charsmap.py"),
    # Long texts.
    Mutant("the last window lost", LONG, "for i in range(gaps + 1))]", "for i in range(gaps))]", *LONGER),
    Mutant("a window too few", LONG, "-(-lengths // room)", "lengths // room", *LONGER),
    Mutant("windows summed, not averaged", LONG, "np.add.reduceat(logs, first) / counts[:, None]",
           "np.add.reduceat(logs, first)", *LONGER),
    Mutant("the tail forgotten", LONG, "ids[:head] + ids[head - room :]", "ids[:room]", *LONGER),
    Mutant("of a huge text the end forgotten", TOKENIZER, ".rsplit(None, max_words)[-max_words:]",
           ".split(None, max_words)[:max_words]", "openvino-current", "tests/infer/test_classifier.py"),
    Mutant("parts of another way taken up", "infer/score/run.py", '        "long": classifier.long,\n', "", *PARTS,
           "test"),
    # Features to probabilities.
    Mutant("graph: positions off by one", BERT, "op.slice(positions, constant([0]), length,",
           "op.slice(positions, constant([1]), op.add(length, constant([1])),", *GRAPH),
    Mutant("graph: mask ignored", BERT, "MASKED = -10000.0", "MASKED = 0.0", *GRAPH),
    Mutant("graph: segments ignored", BERT, "op.gather(segments, segment_ids,",
           "op.gather(segments, op.multiply(segment_ids, constant(0, np.int32)),", *GRAPH),
    Mutant("graph: another gelu", BERT, '"tanh")', '"erf")', *GRAPH),
    Mutant("graph: the exact gelu as the other", BERT, '"erf")', '"tanh")', *GRAPH),
    Mutant("graph: scores not scaled", BERT, "key.shape[-1] ** -0.5", "key.shape[-1] ** 0.0", *GRAPH),
    Mutant("labels swapped", "infer/text/labels.py", '["Negative", "Positive"]', '["Positive", "Negative"]',
           "openvino", "tests/inputs/test_reviews.py"),
    Mutant("a head of another phase", "Makefile", "$(TF1) export_fc.py --init_checkpoint=$(FINE_TUNED)",
           "$(TF1) export_fc.py --init_checkpoint=$(or $(CHECKPOINT),$(RESULT1))", *PIPELINE),
    Mutant("graph and head of the first phase", "Makefile", "$(CHECKPOINT),$(RESULT2))",
           "$(CHECKPOINT),$(RESULT1))", "pipeline", "tests/pipeline/test_tiny.py::test_heldout_agrees_with_tensorflow_"
           "and_tensorflow_with_its_evaluation", "test"),
    # Checkpoints that others left.
    Mutant("a cased vocabulary lower-cased", "infer/text/vocab.py", "return not cased", "return True",
           "openvino-current", "tests/infer/text/test_vocab.py"),
    Mutant("a module always uncased", "tf1/hub.py", "tf.constant(do_lower_case)})", "tf.constant(True)})",
           "tf1", "tests/tf1/test_hub.py", "test"),
    Mutant("Hugging Face's gelu as Google's", "tf1/hugging_face.py", '("gelu", "gelu_python"), "gelu_erf"',
           '("gelu", "gelu_python"), "gelu"', *FOLDERS),
    Mutant("another epsilon let in", "tf1/hugging_face.py", '    "layer_norm_eps": 1e-12,', "", *FOLDERS),
    Mutant("bfloat16 by half", "tf1/hugging_face.py", "<< 16).view", "<< 15).view",
           "tf1", "tests/tf1/test_pretrained.py"),
    Mutant("kernels not transposed", "tf1/hugging_face.py", "tensor.T if", "tensor if",
           "tf1", "tests/tf1/test_pretrained.py"),
    Mutant("a graph with dropout frozen", "tf1/encoder.py", 'node.op == "RandomUniform" for node in graph_def.node):',
           "False for node in graph_def.node):", *FREEZE),
    Mutant("five features taken for four", "tf1/encoder.py", "if ports != [*INPUTS]:", "if not ports:", *FREEZE),
    Mutant("a batch of one size frozen", "tf1/encoder.py", "if batch != -1:", "if batch == 0:", *FREEZE),
    # Training.
    Mutant("dropout left on in prediction", "run_classifier.py", "bert_config, is_training, *inputs",
           "bert_config, True, *inputs", "tf1", "tests/scripts/test_model_fn.py"),
    Mutant("dropout left on in the second phase", "patches/disable-dropout.patch", "+        is_training = False",
           "+        is_training = mode == tf.estimator.ModeKeys.TRAIN", *PIPELINE),
    Mutant("stopped early", "run_classifier.py", "max_steps=num_train_steps, hooks",
           "max_steps=num_train_steps - 1, hooks", "tf1", "tests/scripts/test_run_classifier.py", "test"),
    Mutant("the second phase copies the first", "run_classifier.py", "FLAGS.init_checkpoint, FLAGS.learning_rate,",
           'FLAGS.init_checkpoint, FLAGS.learning_rate * ("ckpt-" not in str(FLAGS.init_checkpoint)),', *PIPELINE),
    Mutant("what was trained is trained again", "run_classifier.py", "skip=done)", "skip=0)",
           "tf1", "tests/scripts/test_run_classifier.py", "test"),
    Mutant("dropout drawn anew in a resumed run", "run_classifier.py",
           "tf.stack([key, tf.compat.v1.train.get_or_create_global_step()])", "tf.stack([key, 0])", *DROPOUT),
    Mutant("every worker draws the same dropout", "run_classifier.py", "(workers.RANK << 16)", "0", *DROPOUT),
    Mutant("decay of LayerNorm too", "tf1/adam.py", "if self._do_use_weight_decay(param_name):", "if True:", *ADAM),
    Mutant("decay by the rate alone", "tf1/adam.py", "decay = self.learning_rate * self", "decay = self", *ADAM),
    # As if the weights that Adam has changed were decayed.
    Mutant("decay after Adam", "tf1/adam.py", "lr=self.learning_rate", "lr=self.learning_rate * (1 - decay)", *ADAM),
    Mutant("decay before the backward pass", "tf1/adam.py", "done = [grad]", "done = []", *ADAM),
    Mutant("adam_m corrected for its start", "tf1/adam.py", "beta1_power=0.0", "beta1_power=self.beta_1", *ADAM),
    Mutant("adam_v corrected for its start", "tf1/adam.py", "beta2_power=0.0", "beta2_power=self.beta_2", *ADAM),
    Mutant("variables of other names", "tf1/adam.py", '{param_name}/{slot}', '{param_name}/Adam/{slot}', *ADAM),
    Mutant("gradients summed", "tf1/workers.py", "op=hvd.Average", "op=hvd.Sum", "tf1", "tests/tf1/test_gradients.py"),
    Mutant("one worker's share read by all", "tf1/input_fn.py", "seed=random_seed).shard(*share)",
           "seed=random_seed).shard(share[0], 0)", *INPUT),
    Mutant("evaluation on one worker's share", "tf1/input_fn.py", '.batch(params["batch_size"]).shard(*share)',
           '.batch(params["batch_size"]).shard(share[0], 0)', *INPUT),
    Mutant("the seed ignored", "tf1/input_fn.py", "shuffle(100, seed=random_seed)", "shuffle(100, seed=0)", *INPUT),
    # Precision.
    Mutant("a machine that computes wrongly let in", "infer/precision.py", "if not deviation <= EXACT:",
           "if deviation > 1:", *PRECISION),
    Mutant("what a wrong machine compiled kept", "infer/classifier.py", "            if not self._kept:\n",
           "            if not self._kept:\n                keep(compiled.model, self._file, self._of, self._state)\n",
           *PRECISION),
    Mutant("a compiled model that has changed", "infer/compiled.py", 'if note["sha256"] == ', 'if note["sha256"] or ',
           *KEPT, "test"),
    Mutant("an IR that was written to not hashed again", "infer/ir.py", "if (state := state_of(path)) == checked:",
           "if (state := state_of(path)) and checked:", *KEPT),
    Mutant("an IR that was not hashed read by OpenVINO", "infer/classifier.py", "        if unread:\n",
           "        if False:\n", *KEPT),
    Mutant("a compiled model of another classifier", "infer/classifier.py", "self._kept = of == self._of",
           "self._kept = of is not None", *KEPT, "test"),
    Mutant("an overwritten IR let pass", "infer/classifier.py", "                sealed.result()  # what",
           "                pass  # what", *KEPT),
    Mutant("auto takes what changes labels", "infer/precision.py", "if not cost.changed and", "if", *PRECISION),
    Mutant("INT8 of another classifier", "infer/ir.py", "if info.get(ORIGIN) != read_seal(model):", "if False:",
           *PRECISION),
    Mutant("few texts padded to the longest of 32", "infer/classifier.py",
           "4 if len(spans) <= 32 else 8 if len(spans) <= 64 else BATCH_SIZE", "BATCH_SIZE",
           "openvino-current", "tests/infer/test_classifier.py"),
    Mutant("threads get each other's answers", "infer/classifier.py", "probabilities[end - len(call.spans) : end]",
           "probabilities[: len(call.spans)]", "openvino-current", "tests/infer/test_classifier.py"),
    # Shipping.
    Mutant("INT8 is its input", "infer/quantize.py", "save_classifier(network, args.output)",
           "save_classifier(ov.Core().read_model(args.model), args.output)", *INT8),
    Mutant("INT8's layers chosen on test reviews", "infer/quantize.py", 'split_reviews(data_dir / "train.jsonl")',
           'split_reviews(data_dir / "test.jsonl")', *INT8),
    Mutant("INT8 costs what it likes", "infer/quantize.py", "if drop > args.max_drop:", "if drop > 1:", *INT8),
    Mutant("the classifier's gate sees no padding", "infer/convert.py", "[[0], [1], [2], [0, 1], [0, 1, 2]]",
           "[[0], [1], [2]]", "products",
           "tests/products/test_classifier.py::test_a_classifier_that_ignores_mask_or_segments_is_refused", "test"),
    Mutant("temperature: logits multiplied by it", "infer/temperature.py", "return weight / np.float32(temperature), "
           "bias / np.float32(temperature)", "return weight * np.float32(temperature), bias * np.float32(temperature)",
           *TEMPERATURE),
    Mutant("temperature: the bias left as it was", "infer/temperature.py", "bias / np.float32(temperature)", "bias",
           *TEMPERATURE),
    Mutant("temperature: its reciprocal", "infer/temperature.py", "round(1 / high, DIGITS)", "round(high, DIGITS)",
           *TEMPERATURE),
    Mutant("temperature: probabilities for logits", "infer/calibrate.py",
           "network.output(0).get_node().input_value(0).get_node().input_value(0)",
           "network.output(0).get_node().input_value(0)", "openvino-current", "tests/infer/test_calibrate.py"),
    Mutant("temperature: found on test reviews", "infer/calibrate.py", "find_temperature(logits, labels)",
           "find_temperature(np.repeat(compute_logits(network, info, [text for text, _ in test]), 9, 0), "
           "np.repeat(test_labels, 9))", *CALIBRATED),
    Mutant("temperature: test texts let into the calibration set", "infer/calibrate.py", "for text, _ in train + test}",
           "for text, _ in train}", "openvino-current", "tests/infer/test_calibrate.py"),
    Mutant("training reviews kept to calibrate on", "inputs/reviews.py", "{*range(len(rows))} - {*chosen}",
           "{*range(len(rows))}", "openvino", "tests/inputs/test_reviews.py"),
    Mutant("a bad row is counted and written", "infer/score/reading.py", '{number}", problem)\n',
           '{number}", problem)\n                    window.append({column: "bad"})\n', *ROWS),
    Mutant("--strict ignored", "infer/score/bad_rows.py", "        if self.strict:\n", "        if False:\n", *ROWS),
    Mutant("a window lost on resume", "infer/score/run.py", "for i, part in enumerate(parts) if not part.exists()}",
           "for i, part in enumerate(parts) if not (part.exists() or i and part.with_stem(f\"{0:08}\").exists() and "
           "i == len(parts) - 1 and part.touch() is None)}", *PARTS),
    Mutant("parts of another input taken up", "infer/score/parts.py", "for what, line in lines.items() if line not in",
           "for what, line in lines.items() if what not in", *PARTS, "test"),
    Mutant("answers of another row", "infer/score/window.py", "for i in probabilities.argmax(1)]",
           "for i in probabilities[::-1].argmax(1)]", *WRITING),
    Mutant("labels that differ in case share a column", "infer/score/window.py",
           "names = lower if len(set(lower)) == len(labels) else labels", "names = lower",
           "openvino-current", "tests/infer/score/test_window.py"),
    # Serving.
    Mutant("served: another's answers", "infer/serve/batcher.py", "answers[row : row + end - first]",
           "answers[: end - first]", *SHARED),
    Mutant("served: no one is waited for", "infer/serve/batcher.py", "self._expected = len(self._requests) + answered",
           "self._expected = 0", *SHARED),
    Mutant("served: who waits stands for who was answered", "infer/serve/batcher.py", "len(self._requests) + answered",
           "answered", *SHARED),
    Mutant("served: one engine takes all", "infer/serve/batcher.py",
           "-(-(self.waiting + self._computed) // self._engines)",
           "self._texts", *SHARED),
    Mutant("served: a queue without end", "infer/serve/batcher.py", "            raise Full", "            pass",
           *SHARED),
    Mutant("served: what was given up, too", "infer/serve/batcher.py", "        request.taken = len(request.texts)\n",
           "", *SHARED),
    Mutant("served: long requests first", "infer/serve/batcher.py", "first + SHARE, ", "", *SHARED),
    Mutant("served: the token's beginning will do", "infer/serve/app.py",
           "hmac.compare_digest(credentials.strip(), self.token)", "self.token.startswith(credentials.strip())",
           "serve", "tests/infer/serve/test_predict.py::test_the_token_guards_all_but_health", "test"),
    Mutant("served: no time is too long", "infer/serve/server.py", "call_later(seconds, self.on_alarm)",
           "call_later(1000 * seconds, self.on_alarm)",
           "serve", "tests/infer/serve/test_limits.py::test_an_answer_that_takes_too_long_is_told", "test"),
    # Labels.
    Mutant("the head's labels forgotten", "infer/head.py", "read_labels(folder, len(bias))",
           'read_labels(folder / "nowhere", len(bias))', "openvino-current", "tests/infer/test_head.py"),
    Mutant("the page's labels forgotten", "report/compare.py", 'read_labels(folder / "reviews")',
           'read_labels(folder / "nowhere")', "report", "tests/report/test_compare.py"),
    Mutant("precision and recall swapped", "infer/text/metrics.py", "for n in (called, given)",
           "for n in (given, called)", "openvino-current", "tests/infer/text/test_metrics.py"),
    # How sure a number is.
    Mutant("intervals: not Wilson's", UNCERTAINTY, 'method="wilson"', 'method="exact"', *SURE),
    Mutant("intervals: ECE's own shift left in", UNCERTAINTY, '"ece", basic, percentile)',
           '"ece", percentile, percentile)', *SURE),
    Mutant("differences the wrong way round", UNCERTAINTY, "found[pair[1]] - found[pair[0]]",
           "found[pair[0]] - found[pair[1]]", *SURE),
    Mutant("McNemar's test of all reviews", UNCERTAINTY, "stats.binomtest(gained, gained + lost)",
           "stats.binomtest(gained, len(labels))", *SURE),
    Mutant("samples of the reviews: each once at most", UNCERTAINTY, "len(drawn), reviews).astype(float)",
           "len(drawn), reviews).astype(bool).astype(float)", *SURE),
    Mutant("AUC of scores: a tie is lost", "report/metrics.py", "np.cumsum(negative, axis=1) - negative / 2",
           "np.cumsum(negative, axis=1) - negative", *COMPARED),
    Mutant("± is the whole interval", "report/page.py", "(estimate.high - estimate.low) / 2",
           "(estimate.high - estimate.low)", *COMPARED),
    Mutant("counts set against those of other totals", "report/scores.py", "and totals[first] == totals[second]",
           "and totals", *COMPARED),
    Mutant("no warning of one answer for all", "report/scores.py", "if len(set(answers)) == 1:",
           "if not len(answers):", *COMPARED),
    Mutant("the least sure mistakes", "report/mistakes.py", "np.argsort(-confidence[wrong]",
           "np.argsort(confidence[wrong]", *COMPARED),
    Mutant("a loss beyond its axis", "report/plots.py", "(0, 1.05 * highest)", "(0, 0.5 * highest)", *COMPARED),
    Mutant("answers of other reviews shown", "report/compare.py", "if found.tolist() != labels:",
           "if len(found) != len(labels):", *COMPARED),
    Mutant("builds: other reviews taken for the same", "report/builds.py", "and first.texts == second.texts",
           "and len(first.texts) == len(second.texts)", *BUILDS),
    Mutant("builds: the first phase's answers", "report/builds.py", "return [*self.answers][-1]",
           "return [*self.answers][0]", *BUILDS),
    # Forms that others read.
    Mutant("ONNX: mask ignored", "export/onnx.py", "graph.scalar(MASKED)", "graph.scalar(0)", *ONNX),
    Mutant("ONNX: always uncased", "export/onnx.py", "trained.do_lower_case, trained", "True, trained", *ONNX),
    Mutant("Hugging Face: weights not transposed", "export/huggingface.py", 'value.T if name.endswith("kernel")',
           'value if name.endswith("kernel")', *HUB),
    Mutant("Hugging Face: labels reversed", "export/huggingface.py", "dict(enumerate(trained.labels))",
           "dict(enumerate(trained.labels[::-1]))", *HUB),
    Mutant("Hugging Face: a literal [SEP] is the token", "export/huggingface.py", '"split_special_tokens": True',
           '"split_special_tokens": False', "products", "tests/products/test_forms.py", "test"),
    Mutant("the card compares no ids", "export/card.py", "kept = trained.max_seq_length - 2", "kept = 0", *CARD),
    Mutant("the card has metrics of its own", "export/card.py", "metric_value=value", "metric_value=1.0", *CARD),
    # Records.
    Mutant("a digest of nothing", "mk/digests.py", 'hashlib.file_digest(file, "sha256")', "hashlib.sha256()",
           "openvino", "tests/mk/test_digests.py"),
    Mutant("a digest remembered too long", "mk/digests.py", "if row and row[0] == describe(status):", "if row:",
           "openvino", "tests/mk/test_digests.py"),
    Mutant("a changed input not noticed", "mk/record.py", "!= sha256:\n            return f\"{name} differs",
           "is None:\n            return f\"{name} differs", "openvino", "tests/mk/test_stage.py", "test"),
    Mutant("verify looks at nothing", "mk/record.py", "if found[name] != sha256:\n                    differences",
           "if not found[name]:\n                    differences", "openvino", "tests/mk/test_stage.py", "test"),
    # Proof.
    Mutant("reproduce: no file differs", "proof/reproduce.py", "if before == after:", "if path:", *PROOF, "test"),
    Mutant("reproduce: every promise is kept", "proof/reproduce.py", '"the same bytes", not found',
           '"the same bytes", True', *PROOF, "test"),
    Mutant("reproduce: any recorded command will do", "proof/reproduce.py",
           'build.records[name]["parameters"] != stages[path].command', "False", *PROOF, "test"),
    Mutant("verify FROM= looks at the checkout's own", "mk/record.py", "return os.path.join(source, ",
           "return os.path.join(out, ", *PROOF, "test"),
    Mutant("differences: no amount", "proof/differences.py", "abs(one - other)", "0 * abs(one - other)",
           "bundle", "tests/proof/test_differences.py"),
    Mutant("meta graphs: another operation", "tf1/differ.py", "if old.get(name) != new.get(name)", "if False",
           "tf1", "tests/tf1/test_differ.py"),
    Mutant("a bundle with weights", "proof/bundle.py", "if RESULTS.fullmatch(below) or", "if True or", *BUNDLE),
    Mutant("a bundle with the hour", "proof/bundle.py", 'member.mtime, member.mode = len(data), TIME,',
           'member.mtime, member.mode = len(data), os.stat("Makefile").st_mtime,', *BUNDLE),
    Mutant("a bundle that leads out", "proof/bundle.py", "os.path.normpath(member.name) == member.name", "True",
           *BUNDLE),
    Mutant("a bundle with links", "proof/bundle.py", "if not member.isreg() or member.sparse:", "if False:", *BUNDLE),
    Mutant("a bundle that was cut", "proof/bundle.py", 'raise ValueError("is cut: copy it again")', "break", *BUNDLE),
    Mutant("a bundle without end", "proof/bundle.py", "if self.total > MAX_TOTAL:", "if False:", *BUNDLE),
    Mutant("a bundle whose records contradict each other", "proof/bundle.py", "made.get(file, sha256) != sha256 or",
           "", *BUNDLE),
]  # fmt: skip
