#!/usr/bin/env python3
"""Measures how long Microsoft's SDK and aml-runner take to submit the same YAML to the same recording stand-in.

    against_sdk.py [--file FILE] [--runs N] [--delays 0,50] [--setup | --python VENV/bin/python] [--check]

Both talk to oracle/fakearm.py in a process of its own, once with instant answers and once with a delay before each
answer, in turns, each run with an empty home and temp folder as on a CI machine. "process" is start to exit, which is
what a step of a CI job pays on both sides; the promises are about it. "submission" leaves the SDK's imports out, as for
a program that is already running, and its sleeps are cut out in both; ours is the whole process again. Depth is the
longest chain of requests that each waited for the one before, the worst of the runs; with instant answers requests
that went out together do not overlap, so it is told only where answers take time.

--setup installs azure-ai-ml into target/sdk-venv; --python names an interpreter that has it. --check ends with exit
code 1 when the promises of the README do not hold. Build first: cargo build --release.
"""
import argparse
import collections
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
import venv

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(HERE / "oracle"))
import canon  # noqa: E402
import fakearm  # noqa: E402

TEMPLATE = ROOT.parent / "shared/conformance/mlops-template/cases/classical/aml-cli-v2/mlops/azureml/train/pipeline.yml"
EXAMPLE = ROOT / "examples/wine/pipeline.yml"
VENV = ROOT / "target/sdk-venv"
DEEPEST = 9
AT_LEAST_TIMES_FASTER = {0: 20, 50: 5}


class StandIn:
    """The recording stand-in with a delay before each answer."""

    def __init__(self, delay):
        env = {**os.environ, "FAKEARM_DELAY_MS": str(delay)}
        self.process = subprocess.Popen([sys.executable, str(HERE / "oracle/fakearm.py"), "0"], env=env,
                                        stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().strip()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def ask(self, what):
        with urllib.request.urlopen(f"{self.url}/_oracle/{what}") as answer:
            return json.load(answer)


def clean_environment(folder):
    keep = {k: v for k, v in os.environ.items() if not re.match(r"(AZURE|GITHUB|INPUT|SYSTEM|AGENT|BUILD|ACTIONS|TF_)", k)}
    return {**keep, "HOME": folder, "TMPDIR": folder, "NO_COLOR": "1"}


def run_sdk(python, stand_in, file, env):
    """Seconds of the submission, and of the whole process."""
    start = time.perf_counter()
    done = subprocess.run([python, str(HERE / "sdk_once.py"), stand_in.url, str(file)], env=env, capture_output=True, text=True)
    took = time.perf_counter() - start
    try:
        result = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        sys.exit(f"the SDK did not run:\n{done.stderr[-2000:]}")
    if result["error"]:
        sys.exit(f"the SDK failed: {result['error']}")
    return result["seconds"], took


def run_ours(binary, stand_in, file, env):
    env = {**env, "AZURE_TENANT_ID": "00000000-0000-0000-0000-00000000000b",
           "AZURE_CLIENT_ID": "00000000-0000-0000-0000-00000000000c", "AZURE_CLIENT_SECRET": "bench"}
    command = [str(binary), "run-job", "--file", str(file), "--name", "oracle-job", "--wait", "false", "--arm-endpoint", stand_in.url,
               "--subscription-id", fakearm.SUB, "--resource-group", fakearm.RG, "--workspace", fakearm.WS]
    start = time.perf_counter()
    done = subprocess.run(command, env=env, cwd=file.parent, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    took = time.perf_counter() - start
    if done.returncode:
        sys.exit(f"aml-runner ended with exit code {done.returncode}:\n{(done.stdout + done.stderr)[-2000:]}")
    return took, took


def repeated(log):
    """Requests that were sent more than once, as `3x GET path`."""
    sent = collections.Counter((e["method"], e["path"], json.dumps(e["query"], sort_keys=True), e["sha256"]) for e in log)
    return [f"{times}x {method} {path}" for (method, path, _, _), times in sorted(sent.items()) if times > 1]


def measure(sides, file, delay, runs):
    """{side: facts} at one delay."""
    found = {name: {"seconds": [], "process": []} for name in sides}
    with StandIn(delay) as stand_in:
        for _ in range(runs):
            for name, run in sides.items():
                stand_in.ask("reset")
                with tempfile.TemporaryDirectory() as folder:
                    seconds, process = run(stand_in, file, clean_environment(folder))
                log = stand_in.ask("log")
                found[name]["seconds"].append(seconds)
                found[name]["process"].append(process)
                depth = max(canon.depth(log), found[name].get("depth") or 0) if delay else None
                again = repeated(log) or found[name].get("repeated", [])
                found[name].update(requests=len(log), depth=depth, repeated=again)
    for facts in found.values():
        facts["seconds"], facts["process"] = statistics.median(facts["seconds"]), statistics.median(facts["process"])
    return found


def show(delay, found):
    print(f"\n{'instant answers' if delay == 0 else f'{delay} ms per answer'}")
    print(f"  {'':12} {'submission':>12} {'process':>12} {'requests':>9} {'depth':>6} {'repeated':>9}")
    for name, facts in found.items():
        print(f"  {name:12} {facts['seconds']:10.3f} s {facts['process']:10.3f} s {facts['requests']:9} {facts['depth'] or '-':>6} {len(facts['repeated']):9}")
    if len(found) == 2:
        sdk, ours = found["azure-ai-ml"], found["aml-runner"]
        print(f"  {times_faster(found):.1f} times faster ({sdk['seconds'] / ours['process']:.1f} times if the SDK's imports cost nothing)")


def times_faster(found):
    return found["azure-ai-ml"]["process"] / found["aml-runner"]["process"]


def broken(delay, found):
    """The promises that do not hold."""
    if len(found) < 2:
        return ["only one side was measured"]
    ours = found["aml-runner"]
    least, times = AT_LEAST_TIMES_FASTER.get(delay, 1), times_faster(found)
    out = [f"at {delay} ms: {times:.1f} times faster, {least} promised"] if times < least else []
    out += [f"at {delay} ms: {ours['depth']} deep, {DEEPEST} promised"] if (ours["depth"] or 0) > DEEPEST else []
    return out + [f"at {delay} ms: sent again: {request}" for request in ours["repeated"]]


def sdk_python(options):
    if options.python:
        return options.python
    python = VENV / "bin/python"
    if options.setup and not python.exists():
        print(f"installing azure-ai-ml into {VENV.relative_to(ROOT)} ...", flush=True)
        venv.create(VENV, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", HERE / "oracle/requirements.txt"], check=True)
    if not python.exists():
        sys.exit("where is azure-ai-ml? Run with --setup once, or name an interpreter that has it with --python")
    return str(python)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--file", type=pathlib.Path, default=TEMPLATE if TEMPLATE.exists() else EXAMPLE)
    options.add_argument("--binary", type=pathlib.Path, default=ROOT / "target/release/aml-runner")
    options.add_argument("--python")
    options.add_argument("--setup", action="store_true")
    options.add_argument("--runs", type=int, default=5)
    options.add_argument("--delays", default="0,50", help="milliseconds per answer, separated by commas")
    options.add_argument("--only", choices=["azure-ai-ml", "aml-runner"], help="measure one side")
    options.add_argument("--check", action="store_true")
    options.add_argument("--json", type=pathlib.Path, help="also write the figures to this file")
    options = options.parse_args()
    file = options.file.resolve()
    sides = {}
    if options.only != "aml-runner":
        python = sdk_python(options)
        sides["azure-ai-ml"] = lambda *given: run_sdk(python, *given)
    if options.only != "azure-ai-ml":
        binary = options.binary.resolve()
        if not binary.exists():
            sys.exit(f"{options.binary} is not there: cargo build --release")
        sides["aml-runner"] = lambda *given: run_ours(binary, *given)

    print(f"{os.path.relpath(file)}: medians of {options.runs} runs each")
    figures, complaints = {}, []
    for delay in [int(text) for text in options.delays.split(",")]:
        figures[delay] = measure(sides, file, delay, options.runs)
        show(delay, figures[delay])
        complaints += broken(delay, figures[delay])
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")
    if options.check and complaints:
        sys.exit("\n" + "\n".join(complaints))


if __name__ == "__main__":
    main()
