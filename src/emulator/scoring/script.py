"""A scoring script or an MLflow model, loaded as Azure's servers load them. Comes before what uses it, in one file."""
import importlib
import importlib.util
import json
import logging
import os
import sys
import traceback

FAILED = 3
LISTED = 200
log = logging.getLogger("azmlinfsrv")


def start_log():
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname).1s [%(process)d] %(name)s - %(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False


def load_script(root, entry):
    place = os.path.join(root, *entry.split("/"))
    sys.path.append(root)
    sys.path.append(os.path.dirname(place))
    try:
        spec = importlib.util.spec_from_file_location("entry_module", place)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    except FileNotFoundError as error:
        if error.filename != place:
            raise
        log.error("Scoring script not found. No such file or directory.")
        log.error("Expected script to be found in: %s", place)
        sys.exit(FAILED)
    for name in ["init", "run"]:
        if not callable(getattr(module, name, None)):
            raise AttributeError(f"User script at {place} does not have a {name}() function defined.")
    log.info("Found user script at %s", place)
    return module


class Mlflow:
    """The generic flavour of an MLflow model: its loader module, as far as this Python has it."""

    def __init__(self, flavour, root):
        self.flavour = flavour
        self.root = root
        self.model = None

    def init(self):
        for folder in self.flavour["code"]:
            sys.path.insert(0, os.path.join(self.root, folder))
        name = self.flavour["loader"]
        try:
            loader = importlib.import_module(name)
        except ImportError as error:
            log.error("The MLflow model is loaded by the module %s, which needs %r. The emulator builds no image: give it a Python "
                      "that has the model's packages.", name, error.name)
            raise
        self.model = loader._load_pyfunc(os.path.join(self.root, self.flavour["data"]))

    def run(self, raw_data):
        return self.predict(table(json.loads(raw_data)))

    def predict(self, rows):
        answer = self.model.predict(rows)
        for name in ["to_numpy", "tolist"]:
            answer = getattr(answer, name)() if hasattr(answer, name) else answer
        return list(answer)


def table(sent):
    """The rows of a request. A data frame where pandas is there and columns are named, else the bare rows."""
    known = ["input_data", "dataframe_split", "dataframe_records", "inputs", "instances"]
    found = [sent[name] for name in known if isinstance(sent, dict) and name in sent]
    if not found:
        raise ValueError(f"The request has none of {', '.join(known)}.")
    rows = found[0]
    if not (isinstance(rows, dict) and "data" in rows):
        return rows
    try:
        import pandas
    except ImportError:
        return rows["data"]
    return pandas.DataFrame(rows["data"], index=rows.get("index"), columns=rows.get("columns"))


def list_model(folder):
    log.info("Model Directory Contents:")
    found = [os.path.join(place, name) for place, _, names in sorted(os.walk(folder)) for name in sorted(names)]
    for path in found[:LISTED]:
        log.info(os.path.relpath(path, folder))


def initialise(script):
    log.info("Invoking user's init function")
    try:
        script.init()
    except BaseException:
        log.error("User's init function failed")
        log.error("Encountered Exception %s", traceback.format_exc())
        list_model(os.environ.get("AZUREML_MODEL_DIR", ""))
        sys.exit(FAILED)
    log.info("Users's init has completed successfully")


