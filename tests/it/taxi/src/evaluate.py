"""Measures the model on rides that it has not seen."""
import argparse
import json
import math
import pathlib

from fare import predict, read
from tracking import log_metrics

options = argparse.ArgumentParser(description=__doc__)
options.add_argument("--model_input", required=True)
options.add_argument("--test_data", required=True)
options.add_argument("--evaluation_output", required=True)
options = options.parse_args()

model = json.loads((pathlib.Path(options.model_input) / "model.json").read_text())
rows = read(pathlib.Path(options.test_data) / "test.csv")
misses = [predict(model, values) - cost for values, cost in rows]
mean = math.fsum(cost for _, cost in rows) / len(rows)
squares = math.fsum(miss * miss for miss in misses)
metrics = {
    "r2": 1 - squares / math.fsum((cost - mean) ** 2 for _, cost in rows),
    "rmse": math.sqrt(squares / len(rows)),
    "mae": math.fsum(map(abs, misses)) / len(rows),
}
log_metrics(metrics)
folder = pathlib.Path(options.evaluation_output)
folder.mkdir(parents=True, exist_ok=True)
(folder / "metrics.json").write_text(json.dumps(metrics, indent=1))
