"""Runs one batch deployment's scoring script over its input in mini-batches, as a step of a job.

A mini-batch is a list of files. What `run` hands back for it is appended to the output file, unless only a summary is wanted.
"""
import argparse
import csv
import signal


class Slow(Exception):
    pass


def files_in(place):
    if os.path.isfile(place):
        return [place]
    return [os.path.join(folder, name) for folder, _, names in sorted(os.walk(place)) for name in sorted(names)]


def model_directory(model, name):
    """A folder that holds the model under its own name, which is what AZUREML_MODEL_DIR means."""
    if os.path.isfile(model) or not name:
        return os.path.dirname(model) if os.path.isfile(model) else model
    directory = model.rstrip("/") + ".azureml-model"
    os.makedirs(directory, exist_ok=True)
    os.symlink(model, os.path.join(directory, name))
    return directory


class MlflowFiles:
    """An MLflow model over CSV files: one line a row, with the row's number, the prediction and the file."""

    def __init__(self, flavour, root):
        self.model = Mlflow(flavour, root)

    def init(self):
        self.model.init()

    def run(self, mini_batch):
        lines = []
        for place in mini_batch:
            answers = self.model.predict(self.rows(place))
            lines += [f"{row},{answer},{os.path.basename(place)}" for row, answer in enumerate(answers)]
        return lines

    @staticmethod
    def rows(place):
        try:
            import pandas
            return pandas.read_csv(place)
        except ImportError:
            with open(place, newline="", encoding="utf-8-sig") as file:
                _, *rows = csv.reader(file)
            return [[float(value) for value in row] for row in rows]


def lines_of(result):
    """The rows that a mini-batch became, as the service writes them: separated by spaces, without a header."""
    if hasattr(result, "to_csv"):
        return result.to_csv(None, sep=" ", header=False, index=False).splitlines()
    return [str(one) for one in result]


def with_limit(run, mini_batch, seconds):
    def late(*_):
        raise Slow(f"run took longer than {seconds} s")
    signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        return run(mini_batch)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def attempt(run, mini_batch, settings):
    """The results of a mini-batch, or None when it failed as often as it may."""
    for turn in range(settings["retries"] + 1):
        try:
            result = with_limit(run, mini_batch, settings["seconds"])
            return len(result), lines_of(result)
        except Exception:
            log.error("Mini-batch failed, try %d of %d: %s", turn + 1, settings["retries"] + 1, traceback.format_exc())
    return None


def score(script, files, settings, output):
    size, failed, written = settings["mini_batch_size"], 0, 0
    batches = [files[at:at + size] for at in range(0, len(files), size)]
    for number, mini_batch in enumerate(batches, 1):
        done = attempt(script.run, mini_batch, settings)
        count, lines = done or (0, [])
        failed += max(0, len(mini_batch) - count)
        print(f"mini-batch {number} of {len(batches)}: {len(mini_batch)} files, {count} results")
        if settings["append"]:
            with open(os.path.join(output, settings["file"]), "a", encoding="utf-8") as out:
                out.writelines(line + "\n" for line in lines)
        written += len(lines)
        if 0 <= settings["threshold"] < failed:
            sys.exit(f"error: {failed} files failed, more than the error threshold of {settings['threshold']} allows")
    print(f"{len(files)} files in {len(batches)} mini-batches: {written} rows, {failed} failed")


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--model", default="")
    options.add_argument("--input", required=True)
    options.add_argument("--output", required=True)
    options = options.parse_args()
    settings = json.loads(os.environ.pop("AML_EMULATOR_BATCH_SETTINGS"))
    os.environ.pop("AML_EMULATOR_BATCH", None)
    os.environ["AZUREML_BI_OUTPUT_PATH"] = options.output
    start_log()
    if options.model:
        os.environ["AZUREML_MODEL_DIR"] = model_directory(options.model, settings["model_name"])
    files = files_in(options.input)
    if not files:
        sys.exit("error: the input has no files")
    try:
        if settings["script"]:
            script = load_script(os.getcwd(), settings["script"])
        else:
            script = MlflowFiles(settings["mlflow"], options.model)
    except Exception:
        log.error(traceback.format_exc())
        sys.exit(FAILED)
    initialise(script)
    score(script, files, settings, options.output)


if __name__ == "__main__":
    main()
