"""Step 1: checks the data, splits it by class and puts every column on the same scale."""
import argparse
import collections
import math
import random

from wine import FEATURES, TARGET, fail, new_folder, read_table, write_json, write_table


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", required=True, help="CSV file with the wines")
    options.add_argument("--test-share", type=float, default=0.25, help="part of each class that is kept for the test")
    options.add_argument("--seed", type=int, default=42, help="same seed, same split")
    options.add_argument("--train", required=True, help="folder for the training data")
    options.add_argument("--test", required=True, help="folder for the test data")
    options = options.parse_args()
    if not 0 < options.test_share < 1:
        fail(f"--test-share is {options.test_share}: give a share between 0 and 1")

    rows = read_table(options.data)
    counts = collections.Counter(label for _, label in rows)
    print(f"read {len(rows)} wines, {len(FEATURES)} measurements each")
    print("wines of each cultivar: " + ", ".join(f"{label}: {counts[label]}" for label in sorted(counts)))
    if len(counts) < 2:
        fail(f"all wines are of {TARGET} {next(iter(counts))}: there is nothing to tell apart")
    rare = sorted(label for label, count in counts.items() if count < 2)
    if rare:
        fail(f"{TARGET} {', '.join(rare)}: only one wine each, and a split needs two")

    train, test = split(rows, options.test_share, random.Random(options.seed))
    means, scales = scaling(train)
    for part, folder, name in ((train, options.train, "train.csv"), (test, options.test, "test.csv")):
        write_table(new_folder(folder) / name, [(standard(values, means, scales), label) for values, label in part])
    # The test data is scaled by the training data's numbers: what the model will do with wines it has never seen.
    write_json(new_folder(options.train) / "scaling.json", {"features": FEATURES, "means": means, "scales": scales})
    print(f"kept {len(train)} wines for training and {len(test)} for the test")


def split(rows, share, dice):
    """(training rows, test rows), with every class in both."""
    train, test = [], []
    for label in sorted({label for _, label in rows}):
        group = [row for row in rows if row[1] == label]
        dice.shuffle(group)
        cut = min(max(round(len(group) * share), 1), len(group) - 1)
        test += group[:cut]
        train += group[cut:]
    return train, test


def scaling(rows):
    columns = list(zip(*(values for values, _ in rows)))
    means = [math.fsum(column) / len(column) for column in columns]
    spread = [math.sqrt(math.fsum((x - mean) ** 2 for x in column) / len(column)) for column, mean in zip(columns, means)]
    for name, deviation in zip(FEATURES, spread):
        if deviation == 0:
            print(f"note: {name} is the same for all wines and tells nothing")
    return means, [deviation or 1.0 for deviation in spread]


def standard(values, means, scales):
    return [(x - mean) / scale for x, mean, scale in zip(values, means, scales)]


if __name__ == "__main__":
    main()
