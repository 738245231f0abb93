"""Step 2: fits a softmax regression by gradient descent."""
import argparse
import math
import pathlib

from tracking import log_metrics
from wine import FEATURES, fail, new_folder, probabilities, read_json, read_table, write_json

PULL_TO_ZERO = 0.01


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--train", required=True, help="folder that prepare wrote")
    options.add_argument("--epochs", type=int, default=120, help="passes over the training data")
    options.add_argument("--learning-rate", type=float, default=0.3, help="how far each pass goes")
    options.add_argument("--fitted", required=True, help="folder for the fitted weights")
    options = options.parse_args()
    if options.epochs < 1:
        fail(f"--epochs is {options.epochs}: give 1 or more")
    if not 0 < options.learning_rate < math.inf:
        fail(f"--learning-rate is {options.learning_rate}: give a number above 0")

    folder = pathlib.Path(options.train)
    rows, scaling = read_table(folder / "train.csv"), read_json(folder / "scaling.json")
    classes = sorted({label for _, label in rows})
    print(f"fitting {len(classes)} cultivars to {len(rows)} wines in {options.epochs} epochs")
    weights, curve = fit(rows, classes, options.epochs, options.learning_rate)
    right = sum(classes[best(probabilities(weights, values))] == label for values, label in rows)
    log_metrics({"train_accuracy": right / len(rows)}, {"train_loss": curve})
    fitted = {"kind": "softmax regression", "classes": classes, "weights": weights, "scaling": scaling,
              "epochs": options.epochs, "learning_rate": options.learning_rate, "wines": len(rows)}
    write_json(new_folder(options.fitted) / "model.json", fitted)


def best(likely):
    return max(range(len(likely)), key=likely.__getitem__)


def fit(rows, classes, epochs, rate):
    """The weights, and the loss at some epochs as (epoch, loss)."""
    position = {label: index for index, label in enumerate(classes)}
    weights = [[0.0] * (len(FEATURES) + 1) for _ in classes]
    curve, every = [], max(epochs // 10, 1)
    for epoch in range(1, epochs + 1):
        slopes = [[0.0] * (len(FEATURES) + 1) for _ in classes]
        loss = 0.0
        for values, label in rows:
            likely = probabilities(weights, values)
            truth = position[label]
            loss -= math.log(max(likely[truth], 1e-15))
            for index, slope in enumerate(slopes):
                miss = likely[index] - (index == truth)
                for column, x in enumerate(values):
                    slope[column] += miss * x
                slope[-1] += miss
        loss /= len(rows)
        if not math.isfinite(loss):
            fail(f"the fit ran away in epoch {epoch}: try a smaller --learning-rate")
        for row, slope in zip(weights, slopes):
            for column, total in enumerate(slope):
                pull = PULL_TO_ZERO * row[column] if column < len(FEATURES) else 0.0
                row[column] -= rate * (total / len(rows) + pull)
        if epoch == 1 or epoch % every == 0:
            print(f"epoch {epoch:4}: loss {loss:.4f}")
            curve.append((epoch, loss))
    return weights, curve


if __name__ == "__main__":
    main()
