"""The wine table: its columns, how it is read and checked, and the model that is fitted to it."""
import csv
import difflib
import json
import math
import pathlib
import sys

FEATURES = [
    "alcohol",
    "malic_acid",
    "ash",
    "alcalinity_of_ash",
    "magnesium",
    "total_phenols",
    "flavanoids",
    "nonflavanoid_phenols",
    "proanthocyanins",
    "color_intensity",
    "hue",
    "od280/od315_of_diluted_wines",
    "proline",
]
TARGET = "cultivar"
MOST_PROBLEMS_SHOWN = 5


def fail(message):
    """Ends the step; the message is the last line of its log."""
    sys.exit(f"error: {message}")


def read_table(path):
    """The rows of a CSV file as (features, label) pairs. Says everything that is wrong with the file at once."""
    path = pathlib.Path(path)
    if not path.is_file():
        fail(f"{path.name} is not there, or is a folder: give one CSV file")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file)
            header = [name.strip() for name in table.fieldnames or []]
            table.fieldnames = header
            check_header(path.name, header)
            return check_rows(path.name, table)
    except (UnicodeDecodeError, csv.Error) as error:
        fail(f"{path.name} is not a CSV text file in UTF-8: {error}")


def check_header(name, header):
    wanted = [*FEATURES, TARGET]
    missing = [column for column in wanted if column not in header]
    if missing and len(header) == 1 and ";" in header[0]:
        fail(f"{name} is separated by semicolons, not by commas")
    hints = []
    for column in missing:
        near = difflib.get_close_matches(column, [h for h in header if h not in wanted], n=1)
        hints.append(f"{column} (is {near[0]} meant?)" if near else column)
    if missing:
        fail(f"{name} lacks {len(missing)} of {len(wanted)} columns: {', '.join(hints)}")
    extra = [column or "(unnamed)" for column in header if column not in wanted]
    if extra:
        print(f"note: columns that are not used: {', '.join(extra)}")


def check_rows(name, table):
    rows, problems = [], []
    for row in table:
        if None in row or None in row.values():
            problems.append(f"line {table.line_num}: does not have as many values as the header has names")
            continue
        values = []
        for column in FEATURES:
            text = row[column].strip()
            try:
                values.append(float(text))
            except ValueError:
                values.append(math.nan)
            if not math.isfinite(values[-1]):
                problems.append(f"line {table.line_num}: {column} is {text!r}, not a number")
        label = row[TARGET].strip()
        if not label:
            problems.append(f"line {table.line_num}: {TARGET} is empty")
        rows.append((values, label))
    if problems:
        more = len(problems) - MOST_PROBLEMS_SHOWN
        shown = "; ".join(problems[:MOST_PROBLEMS_SHOWN]) + (f"; and {more} more" if more > 0 else "")
        fail(f"{name} has values that cannot be used: {shown}")
    if not rows:
        fail(f"{name} has a header but no rows")
    return rows


def write_table(path, rows):
    with pathlib.Path(path).open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow([*FEATURES, TARGET])
        out.writerows([*map(repr, values), label] for values, label in rows)


def read_json(path):
    path = pathlib.Path(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        fail(f"{path.name} is not in {path.parent.name}: did the step before this one run?")
    except ValueError as error:
        fail(f"{path.name} cannot be read: {error}")


def write_json(path, content):
    pathlib.Path(path).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def new_folder(path):
    """The folder of an output. On Azure it is mounted and there already; elsewhere it may not be."""
    folder = pathlib.Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def probabilities(weights, values):
    """How likely each class is, by softmax over one weighted sum a class; the last weight is the constant term."""
    scores = [row[-1] + sum(w * x for w, x in zip(row, values)) for row in weights]
    top = max(scores)
    powers = [math.exp(score - top) for score in scores]
    total = sum(powers)
    return [power / total for power in powers]
