"""Columns of the taxi data that say something about the fare before the ride is over."""
import csv
import pathlib
import sys

TARGET = "cost"
FEATURES = [
    "distance", "dropoff_latitude", "dropoff_longitude", "passengers", "pickup_latitude", "pickup_longitude",
    "store_forward", "vendor", "pickup_weekday", "pickup_month", "pickup_monthday", "pickup_hour", "pickup_minute",
]


def read(path):
    """The rows as ([features], cost)."""
    with pathlib.Path(path).open(newline="", encoding="utf-8") as file:
        table = csv.DictReader(file)
        missing = [name for name in [*FEATURES, TARGET] if name not in (table.fieldnames or [])]
        if missing:
            sys.exit(f"error: {pathlib.Path(path).name} lacks the columns {', '.join(missing)}")
        return [([float(row[name]) for name in FEATURES], float(row[TARGET])) for row in table]


def write(folder, name, rows):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / name).open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow([*FEATURES, TARGET])
        out.writerows([*map(repr, values), repr(cost)] for values, cost in rows)


def predict(model, values):
    scaled = ((x - mean) / scale for x, mean, scale in zip(values, model["means"], model["scales"]))
    return model["intercept"] + sum(w * x for w, x in zip(model["weights"], scaled))
