"""Step 3: how good the model is with wines that it has not seen."""
import argparse
import math
import pathlib

from tracking import log_metrics
from wine import TARGET, fail, new_folder, probabilities, read_json, read_table, write_json


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--fitted", required=True, help="folder that train wrote")
    options.add_argument("--test", required=True, help="folder that prepare wrote")
    options.add_argument("--report", required=True, help="folder for the metrics")
    options = options.parse_args()

    model = read_json(pathlib.Path(options.fitted) / "model.json")
    rows = read_table(pathlib.Path(options.test) / "test.csv")
    classes = model["classes"]
    unknown = sorted({label for _, label in rows} - set(classes))
    if unknown:
        fail(f"the test has {TARGET} {', '.join(unknown)}, which the model was never shown")

    confusion = {label: dict.fromkeys(classes, 0) for label in classes}
    loss = 0.0
    for values, label in rows:
        likely = probabilities(model["weights"], values)
        confusion[label][classes[likely.index(max(likely))]] += 1
        loss -= math.log(max(likely[classes.index(label)], 1e-15))
    show(confusion)
    metrics = {
        "accuracy": sum(confusion[label][label] for label in classes) / len(rows),
        "macro_f1": sum(f1(confusion, label) for label in classes) / len(classes),
        "log_loss": loss / len(rows),
    }
    log_metrics(metrics)
    report = {"metrics": metrics, "test_wines": len(rows), "confusion": confusion}
    write_json(new_folder(options.report) / "metrics.json", report)


def f1(confusion, label):
    right = confusion[label][label]
    said = sum(row[label] for row in confusion.values())
    true = sum(confusion[label].values())
    return 2 * right / (said + true) if said + true else 0.0


def show(confusion):
    width = max(8, *(len(label) for label in confusion))
    print("true cultivar in rows, predicted in columns:")
    print(" " * width + "".join(label.rjust(width + 1) for label in confusion))
    for label, row in confusion.items():
        print(label.rjust(width) + "".join(str(count).rjust(width + 1) for count in row.values()))


if __name__ == "__main__":
    main()
