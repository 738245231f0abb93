"""Fits a ridge regression of the fare by solving its normal equations."""
import argparse
import json
import math
import pathlib

from fare import FEATURES, read

RIDGE = 1e-3


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--train_data", required=True)
    options.add_argument("--model_output", required=True)
    options = options.parse_args()
    rows = read(pathlib.Path(options.train_data) / "train.csv")
    columns = [[values[i] for values, _ in rows] for i in range(len(FEATURES))]
    means = [math.fsum(column) / len(rows) for column in columns]
    scales = [math.sqrt(math.fsum((x - m) ** 2 for x in c) / len(rows)) or 1.0 for c, m in zip(columns, means)]
    columns = [[(x - m) / s for x in c] for c, m, s in zip(columns, means, scales)]
    mean_cost = math.fsum(cost for _, cost in rows) / len(rows)
    target = [cost - mean_cost for _, cost in rows]
    matrix = [[dot(a, b) + (RIDGE * len(rows) if a is b else 0.0) for b in columns] + [dot(a, target)] for a in columns]
    weights = solve(matrix)
    for name, weight in sorted(zip(FEATURES, weights), key=lambda pair: -abs(pair[1]))[:3]:
        print(f"{name}: {weight:+.3f} a standard deviation")
    folder = pathlib.Path(options.model_output)
    folder.mkdir(parents=True, exist_ok=True)
    model = {"features": FEATURES, "weights": weights, "intercept": mean_cost, "means": means, "scales": scales}
    (folder / "model.json").write_text(json.dumps(model, indent=1))
    print(f"fitted {len(weights)} weights to {len(rows)} rides")


def dot(a, b):
    return sum(x * y for x, y in zip(a, b))


def solve(rows):
    """The solution of a linear system, given as rows with the right side last, by elimination with pivots."""
    size = len(rows)
    for step in range(size):
        pivot = max(range(step, size), key=lambda i: abs(rows[i][step]))
        rows[step], rows[pivot] = rows[pivot], rows[step]
        for i in range(step + 1, size):
            factor = rows[i][step] / rows[step][step]
            rows[i] = [x - factor * y for x, y in zip(rows[i], rows[step])]
    answer = [0.0] * size
    for step in reversed(range(size)):
        known = sum(rows[step][i] * answer[i] for i in range(step + 1, size))
        answer[step] = (rows[step][size] - known) / rows[step][step]
    return answer


if __name__ == "__main__":
    main()
