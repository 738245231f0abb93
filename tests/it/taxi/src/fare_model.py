"""Loads the fare model for a server: rows in the order of the training data's columns."""
import json
import pathlib

from fare import FEATURES, predict


class Fares:
    def __init__(self, model):
        self.model = model

    def predict(self, rows):
        rows = rows.values.tolist() if hasattr(rows, "values") else rows
        return [predict(self.model, row[:len(FEATURES)]) for row in rows]


def _load_pyfunc(path):
    return Fares(json.loads(pathlib.Path(path).read_text()))
