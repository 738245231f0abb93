"""Step 4: lets a good model pass and puts it, with its card, where Azure Machine Learning registers it."""
import argparse
import pathlib

from wine import fail, new_folder, read_json, write_json


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--fitted", required=True, help="folder that train wrote")
    options.add_argument("--report", required=True, help="folder that evaluate wrote")
    options.add_argument("--min-accuracy", type=float, default=0.9, help="a worse model is not registered")
    options.add_argument("--model", required=True, help="folder of the model")
    options = options.parse_args()

    model = read_json(pathlib.Path(options.fitted) / "model.json")
    report = read_json(pathlib.Path(options.report) / "metrics.json")
    accuracy = report["metrics"]["accuracy"]
    if not accuracy >= options.min_accuracy:
        fail(f"accuracy {accuracy:.4f} is below the {options.min_accuracy:.4f} that this pipeline asks for: "
             "the model is not registered")
    folder = new_folder(options.model)
    write_json(folder / "model.json", model)
    (folder / "README.md").write_text(card(model, report, options.min_accuracy), encoding="utf-8")
    print(f"accuracy {accuracy:.4f} is at least {options.min_accuracy:.4f}: the model may be registered")


def card(model, report, least):
    metrics = "\n".join(f"| {name} | {value:.4f} |" for name, value in report["metrics"].items())
    return f"""# Wine cultivar classifier

A {model['kind']} that tells {len(model['classes'])} cultivars ({', '.join(model['classes'])}) apart by
{len(model['scaling']['features'])} measurements. Fitted to {model['wines']} wines in {model['epochs']} epochs at a
learning rate of {model['learning_rate']}.

| metric, {report['test_wines']} unseen wines | value |
|---|---|
{metrics}

Registered because its accuracy is at least {least}. `model.json` holds the weights and the means and scales that
each measurement is standardised by. Made for teaching; the wines are from one region and from the 1980s.
"""


if __name__ == "__main__":
    main()
