"""A server as a tutorial writes it, transformers' pipeline behind FastAPI: MODEL=folder uvicorn bench.tutorial:app"""

import os

from fastapi import FastAPI
from pydantic import BaseModel
from transformers import pipeline

app = FastAPI()
classify = pipeline("text-classification", os.environ["MODEL"], truncation=True, top_k=None)


class Review(BaseModel):
    inputs: str


@app.post("/predict")
def predict(review: Review):
    return classify(review.inputs)
