"""Runs one deployment's scoring script for the emulator, with the conventions of Azure's inference server.

The script's `init` runs first; only then does this process connect to the emulator, which takes that as its readiness.
Requests and answers are one JSON object a line. What the script prints goes to the container's log.
"""
import base64
import inspect
import socket
import time
import types


class AMLResponse:
    """An answer with a status of its own, where the inference server's class is not installed."""

    def __init__(self, message, status_code, response_headers=None, json_str=False, run_function_failed=False):
        self.status_code = status_code
        self.headers = dict(response_headers or {})
        self.run_function_failed = run_function_failed
        self.content_type = "application/json" if json_str else "text/html; charset=utf-8"
        text = json.dumps(message) if json_str else message
        self.data = text.encode() if isinstance(text, str) else text

    def get_data(self):
        return self.data


class AMLRequest:
    """What a script that asks for the raw request is given."""

    def __init__(self, sent):
        self.method = sent["method"]
        self.headers = dict(sent["headers"])
        self.args = dict(sent["query"])
        self.data = base64.b64decode(sent["body"])

    def get_data(self, as_text=False):
        return self.data.decode() if as_text else self.data

    def get_json(self, *_, **__):
        return json.loads(self.data)

    @property
    def json(self):
        return self.get_json()


def rawhttp(run):
    run.wants_raw_request = True
    return run


def lend_modules():
    """Puts the inference server's own modules where scripts look for them, unless they are installed."""
    lent = {"AMLResponse": AMLResponse, "AMLRequest": AMLRequest, "rawhttp": rawhttp}
    for name in ["azureml_inference_server_http.api.aml_request", "azureml_inference_server_http.api.aml_response",
                 "azureml.contrib.services.aml_request", "azureml.contrib.services.aml_response"]:
        try:
            importlib.import_module(name)
            continue
        except ImportError:
            pass
        parts = name.split(".")
        for end in range(1, len(parts) + 1):
            part = ".".join(parts[:end])
            if part not in sys.modules:
                sys.modules[part] = types.ModuleType(part)
                sys.modules[part].__path__ = []
        sys.modules[name].__dict__.update(lent)


def caller(run):
    """How `run` wants to be called: with the body's text, with the fields of its JSON, or with the request."""
    names = [name for name in inspect.signature(run).parameters if name != "request_headers"]
    if not names:
        raise TypeError("run() needs to accept an argument for input data.")
    with_headers = "request_headers" in inspect.signature(run).parameters
    try:
        from inference_schema.schema_util import is_schema_decorated
        by_field = is_schema_decorated(run)
    except ImportError:
        by_field = False

    def call(sent):
        body = base64.b64decode(sent["body"])
        if getattr(run, "wants_raw_request", False):
            given = {names[0]: AMLRequest(sent)}
        elif by_field:
            given = json.loads(body)
        elif sent["method"] == "GET":
            given = {names[0]: json.dumps(dict(sent["query"]))}
        else:
            given = {names[0]: body.decode()}
        if with_headers:
            given["request_headers"] = dict(sent["headers"])
        return run(**given)
    return call


def answer(call, sent):
    began = time.perf_counter()
    raised = False
    try:
        result = call(sent)
        if hasattr(result, "get_data") and hasattr(result, "status_code"):
            headers = [[name, str(value)] for name, value in dict(result.headers).items()]
            if not any(name.lower() == "content-type" for name, _ in headers):
                headers.append(["content-type", result.content_type])
            status, body = result.status_code, result.get_data()
        else:
            status, headers, body = 200, [["content-type", "application/json"]], json.dumps(result).encode()
    except Exception:
        raised = True
        log.error("Encountered Exception: %s", traceback.format_exc())
        status, headers = 500, [["content-type", "text/plain"]]
        body = b"An unexpected error occurred in scoring script. Check the logs for more info."
    millis = (time.perf_counter() - began) * 1000
    return {"status": status, "headers": headers, "body": base64.b64encode(body).decode(), "millis": millis, "raised": raised}


def start():
    """The script after its `init`, or the end of this process."""
    try:
        flavour = os.environ.pop("AML_EMULATOR_MLFLOW", None)
        if flavour:
            script = Mlflow(json.loads(flavour), os.environ.pop("AML_EMULATOR_MODEL"))
        else:
            script = load_script(os.environ["AML_APP_ROOT"], os.environ["AZUREML_ENTRY_SCRIPT"])
        call = caller(script.run)
    except Exception:
        log.error(traceback.format_exc())
        sys.exit(FAILED)
    initialise(script)
    return call


def main():
    port, password = int(os.environ.pop("AML_EMULATOR_PORT")), os.environ.pop("AML_EMULATOR_PASSWORD")
    start_log()
    lend_modules()
    call = start()
    with socket.create_connection(("127.0.0.1", port)) as link:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream = link.makefile("rwb")
        stream.write(password.encode() + b"\n")
        stream.flush()
        for line in stream:
            reply = answer(call, json.loads(line))
            stream.write(json.dumps(reply).encode() + b"\n")
            stream.flush()


if __name__ == "__main__":
    main()
