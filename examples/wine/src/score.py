"""Answers an online endpoint: {"wines": [[13 measurements], ...]} gives a cultivar and a probability for each wine."""
import json

from serving import Classifier, load


def init():
    global classifier
    classifier = Classifier(load())


def run(data):
    try:
        wines = json.loads(data)["wines"]
        answers = [classifier.classify(values) for values in wines]
    except (KeyError, TypeError, ValueError) as error:
        return {"error": f"{type(error).__name__}: {error}"}
    return {"predictions": [{"cultivar": label, "probability": likely} for label, likely in answers]}
