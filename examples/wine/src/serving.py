"""The model as an endpoint has it: found, loaded, and asked about wines that are measured and not yet standardised."""
import os
import pathlib

from wine import FEATURES, probabilities, read_json


def load():
    """The model that Azure Machine Learning mounted; the folder in it is called as the job's output was."""
    folder = pathlib.Path(os.environ["AZUREML_MODEL_DIR"])
    return read_json(next(folder.rglob("model.json")))


class Classifier:
    def __init__(self, model):
        self.classes, self.weights = model["classes"], model["weights"]
        self.means, self.scales = model["scaling"]["means"], model["scaling"]["scales"]

    def classify(self, values):
        """(class, its probability) of one wine."""
        if len(values) != len(FEATURES):
            raise ValueError(f"a wine has {len(FEATURES)} measurements, not {len(values)}")
        scaled = [(x - mean) / scale for x, mean, scale in zip(values, self.means, self.scales)]
        likely = probabilities(self.weights, scaled)
        best = max(range(len(likely)), key=likely.__getitem__)
        return self.classes[best], likely[best]
