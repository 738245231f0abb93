"""Hands a good model on to be registered."""
import argparse
import json
import pathlib
import shutil
import sys

# The generic flavour of an MLflow model: a module with a loader, found in the model itself.
FLAVOUR = """flavors:
  python_function:
    code: code
    data: model.json
    loader_module: fare_model
"""

options = argparse.ArgumentParser(description=__doc__)
options.add_argument("--model_path", required=True)
options.add_argument("--evaluation_output", required=True)
options.add_argument("--min_r2", type=float, required=True)
options.add_argument("--trained_model", required=True)
options = options.parse_args()

r2 = json.loads((pathlib.Path(options.evaluation_output) / "metrics.json").read_text())["r2"]
if not r2 >= options.min_r2:
    sys.exit(f"error: r2 {r2:.4f} is below {options.min_r2}: the model is not registered")
folder = pathlib.Path(options.trained_model)
folder.mkdir(parents=True, exist_ok=True)
shutil.copy(pathlib.Path(options.model_path) / "model.json", folder)
here = pathlib.Path(__file__).parent
(folder / "code").mkdir(exist_ok=True)
for name in ["fare.py", "fare_model.py"]:
    shutil.copy(here / name, folder / "code")
(folder / "MLmodel").write_text(FLAVOUR)
print(f"r2 {r2:.4f} is at least {options.min_r2}")
