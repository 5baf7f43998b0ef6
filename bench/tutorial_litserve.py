"""The same on LitServe, as its tutorial has it: MODEL=folder python -m bench.tutorial_litserve --port=8000"""

import os
import sys

import litserve
from transformers import pipeline


class ReviewAPI(litserve.LitAPI):
    def setup(self, device):
        self.classify = pipeline("text-classification", os.environ["MODEL"], truncation=True, top_k=None)

    def decode_request(self, request):
        return request["inputs"]

    def predict(self, text):
        return self.classify(text)

    def encode_response(self, output):
        return output


if __name__ == "__main__":
    port = int(sys.argv[1].partition("=")[2])
    litserve.LitServer(ReviewAPI(), accelerator="cpu").run(port=port, generate_client_file=False)
