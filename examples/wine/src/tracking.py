"""Logs metrics to the run's MLflow server over REST, with nothing but the standard library.

Azure Machine Learning gives every job MLFLOW_TRACKING_URI, MLFLOW_RUN_ID and MLFLOW_TRACKING_TOKEN. Without them
(a run by hand) metrics are only printed.
"""
import http.client
import json
import os
import sys
import time
import urllib.parse

ATTEMPTS = 3
LOOPBACK = ("localhost", "127.0.0.1", "::1")


def log_metrics(metrics, series=None):
    """Prints and logs {name: value}, and {name: [value of each step]} for curves."""
    for name, value in metrics.items():
        print(f"{name}: {value:.4f}")
    now = int(time.time() * 1000)
    points = [{"key": name, "value": value, "timestamp": now, "step": 0} for name, value in metrics.items()]
    for name, values in (series or {}).items():
        points += [{"key": name, "value": value, "timestamp": now, "step": step} for step, value in values]
    uri, run = os.environ.get("MLFLOW_TRACKING_URI"), os.environ.get("MLFLOW_RUN_ID")
    if not uri or not run:
        print("note: no MLflow server in the environment, metrics are only printed")
        return
    try:
        post(uri, "runs/log-batch", {"run_id": run, "metrics": points})
    except (OSError, ValueError, http.client.HTTPException) as error:
        # A model that took hours is not thrown away because its curve could not be drawn.
        print(f"warning: metrics were not logged to MLflow: {error}", file=sys.stderr)


def post(uri, method, body):
    secure, address, path = server(uri)
    connect = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    headers = {"Content-Type": "application/json"}
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    if token:
        headers["Authorization"] = f"Bearer {token}"
    for attempt in range(1, ATTEMPTS + 1):
        status, reason = send(connect(address, timeout=30), f"{path}/api/2.0/mlflow/{method}", body, headers)
        if status == 200:
            return
        if attempt == ATTEMPTS or (status and status != 429 and status < 500):
            raise OSError(f"{method} was answered with {reason}")
        time.sleep(0.2 * attempt)


def send(connection, path, body, headers):
    """(status, reason) of one try; status 0 when there was no answer."""
    try:
        connection.request("POST", path, json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, f"{answer.status} {answer.reason}"
    except (OSError, http.client.HTTPException) as error:
        return 0, f"no answer ({error})"
    finally:
        connection.close()


def server(uri):
    """(https?, host and port, path) of a tracking URI. Azure spells its own `azureml://host/path`, which is https."""
    parts = urllib.parse.urlsplit(uri)
    loopback = (parts.hostname or "") in LOOPBACK
    if parts.scheme not in ("azureml", "https", "http") or not parts.netloc:
        raise ValueError(f"{parts.scheme}:// is not an MLflow server's address")
    if parts.scheme == "http" and not loopback:
        raise ValueError("a token is not sent over plain http")
    secure = parts.scheme == "https" or (parts.scheme == "azureml" and not loopback)
    return secure, parts.netloc.rpartition("@")[2], parts.path.rstrip("/")
