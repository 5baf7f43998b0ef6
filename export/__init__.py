"""The classifier in the forms that others read: Hugging Face's folder with its model card, and ONNX.

trained.py reads what a run has made, huggingface.py and onnx.py write it, card.py says in README.md what it is. In the
openvino-current environment.
"""
