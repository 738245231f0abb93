#!/usr/bin/env python3
"""Measures what aml-runner costs while it only watches: processor time and memory during a job that does nothing.

    idle.py [--seconds 60] [--binary target/release/aml-runner] [--check]

Starts the embedded emulator, submits a job that sleeps, lets the watch settle, then reads /proc (Linux only) over the
given time. --check ends with exit code 1 at 1 % of a core or 40 MB of peak memory. Build first: cargo build --release.
"""
import argparse
import os
import pathlib
import queue
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
MOST_CPU_PERCENT, MOST_MEGABYTES = 1.0, 40.0
SETTLE_SECONDS = 10
FLAGS = ("arm-endpoint", "subscription-id", "resource-group", "workspace")
JOB = """$schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json
command: sleep {seconds}
environment:
  image: mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04
compute: azureml:cpu-cluster
experiment_name: idle
"""


def lines_of(process):
    """The process's lines as they come; reading goes on in the background so that a full pipe never stops it."""
    lines = queue.Queue()

    def read():
        for line in process.stdout:
            lines.put(line)

    threading.Thread(target=read, daemon=True).start()
    return lines


def start_emulator(binary):
    """(process, flags and variables of a client), taken from what the emulator prints."""
    process = subprocess.Popen([binary, "emulator", "--port", "0"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True)
    lines, text, quiet_since = lines_of(process), "", time.monotonic()
    while time.monotonic() - quiet_since < (1 if "http://" in text else 15) and process.poll() is None:
        try:
            text += lines.get(timeout=0.1)
            quiet_since = time.monotonic()
        except queue.Empty:
            pass
    address = re.search(r"http://(?:localhost|127\.0\.0\.1):\d+", text)
    if not address:
        process.kill()
        sys.exit(f"the emulator did not say where it is:\n{text}")
    flags = {"arm-endpoint": address[0]}
    flags.update((name, found[1]) for name in FLAGS if (found := re.search(rf"--{name}[ =](\S+)", text)))
    variables = dict(re.findall(r"\b((?:AZURE|AZUREML)_[A-Z_]+)=[\"']?([^\s\"']+)", text))
    return process, [f"--{name}={value}" for name, value in flags.items()], variables


def processor_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_megabytes(pid):
    return int(re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) / 1024


def watch(binary, flags, env, seconds, folder):
    """(percent of a core, peak megabytes) of a client that follows a sleeping job."""
    job = pathlib.Path(folder) / "job.yml"
    job.write_text(JOB.format(seconds=seconds + 3 * SETTLE_SECONDS))
    log = pathlib.Path(folder) / "log.txt"
    compute = [binary, "create-compute", "--file", str(ROOT / "examples/wine/compute.yml"), *flags]
    subprocess.run(compute, env=env, cwd=folder, check=True, stdin=subprocess.DEVNULL, capture_output=True)
    with log.open("w") as out:
        client = subprocess.Popen([binary, "run-job", "--file", str(job), *flags], env=env, cwd=folder,
                                  stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
    try:
        time.sleep(SETTLE_SECONDS)
        before, start = processor_seconds(client.pid), time.monotonic()
        time.sleep(seconds)
        if client.poll() is not None:
            sys.exit(f"the watch ended with exit code {client.returncode}:\n{log.read_text()[-2000:]}")
        used, wall = processor_seconds(client.pid) - before, time.monotonic() - start
        return 100 * used / wall, peak_megabytes(client.pid)
    finally:
        client.send_signal(signal.SIGTERM)
        client.wait(timeout=30)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=int, default=60)
    options.add_argument("--binary", type=pathlib.Path, default=ROOT / "target/release/aml-runner")
    options.add_argument("--check", action="store_true")
    options = options.parse_args()
    binary = str(options.binary.resolve())
    if not options.binary.exists():
        sys.exit(f"{options.binary} is not there: cargo build --release")
    emulator, flags, variables = start_emulator(binary)
    anybody = {"AZURE_TENANT_ID": "00000000-0000-0000-0000-00000000000b", "AZURE_CLIENT_ID": "00000000-0000-0000-0000-00000000000c",
               "AZURE_CLIENT_SECRET": "bench"}
    env = {**os.environ, **anybody, **variables, "NO_COLOR": "1"}
    try:
        with tempfile.TemporaryDirectory() as folder:
            percent, megabytes = watch(binary, flags, env, options.seconds, folder)
    except subprocess.CalledProcessError as error:
        sys.exit(f"{error}\n{error.stdout.decode()}{error.stderr.decode()}")
    finally:
        emulator.terminate()
        emulator.wait(timeout=30)
    print(f"watching an idle job for {options.seconds} s: {percent:.2f} % of a core, {megabytes:.1f} MB at the peak")
    if options.check and (percent >= MOST_CPU_PERCENT or megabytes >= MOST_MEGABYTES):
        sys.exit(f"less than {MOST_CPU_PERCENT:.0f} % and {MOST_MEGABYTES:.0f} MB are promised")


if __name__ == "__main__":
    main()
