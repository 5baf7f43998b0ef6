"""OpenVINO inference of the fine-tuned classifier, the guide's way: one review at a time, the head in NumPy.

Runs in the openvino environment and imports no TensorFlow. A review's way: text.py turns it into ids, model.py
into probabilities, __main__.py prints them.
"""
