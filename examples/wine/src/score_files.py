"""Scores files for a batch endpoint: CSV tables with the columns of `data/wine.csv`, of which `cultivar` may be missing."""
import csv
import pathlib

from serving import Classifier, load
from wine import FEATURES


def init():
    global classifier
    classifier = Classifier(load())


def run(mini_batch):
    lines = []
    for path in map(pathlib.Path, mini_batch):
        with path.open(newline="", encoding="utf-8-sig") as file:
            for number, row in enumerate(csv.DictReader(file), 1):
                label, likely = classifier.classify([float(row[name]) for name in FEATURES])
                lines.append(f"{path.name} {number} {label} {likely:.4f}")
    return lines
