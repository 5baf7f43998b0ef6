"""The same on Ray Serve, as its tutorial of FastAPI has it: MODEL=folder python -m bench.tutorial_ray --port=8000"""

import os
import sys

from fastapi import FastAPI
from pydantic import BaseModel
from ray import serve
from transformers import pipeline

app = FastAPI()


class Review(BaseModel):
    inputs: str


@serve.deployment(max_ongoing_requests=64)  # the default of 5 leaves 64 clients waiting for seconds
@serve.ingress(app)
class Reviews:
    def __init__(self, model):
        self.classify = pipeline("text-classification", model, truncation=True, top_k=None)

    @app.post("/predict")
    def predict(self, review: Review):
        return self.classify(review.inputs)


if __name__ == "__main__":
    serve.start(http_options={"port": int(sys.argv[1].partition("=")[2])})
    serve.run(Reviews.bind(os.environ["MODEL"]), blocking=True)
