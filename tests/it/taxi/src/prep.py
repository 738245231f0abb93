"""Splits the rides into training and test data."""
import argparse
import random

from fare import FEATURES, read, write

options = argparse.ArgumentParser(description=__doc__)
options.add_argument("--raw_data", required=True)
options.add_argument("--train_data", required=True)
options.add_argument("--test_data", required=True)
options = options.parse_args()

rows = read(options.raw_data)
print(f"read {len(rows)} rides, {len(FEATURES)} features")
random.Random(0).shuffle(rows)
cut = len(rows) // 4
write(options.test_data, "test.csv", rows[:cut])
write(options.train_data, "train.csv", rows[cut:])
print(f"kept {len(rows) - cut} rides for training and {cut} for the test")
