"""Submits one YAML file through Microsoft's azure-ai-ml to a stand-in that runs elsewhere, and says how long that took.

    sdk_once.py STAND_IN_URL FILE

The clock starts after the SDK's modules are imported. Prints one JSON object.
"""
import json
import pathlib
import sys
import types

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "oracle"))
import fakearm  # noqa: E402

url, file = sys.argv[1:]
state = types.SimpleNamespace(reset=lambda: None, log=[])
fakearm.serve = lambda: types.SimpleNamespace(local=url, state=state)
import oracle  # noqa: E402

result = oracle.one(str(pathlib.Path(file).resolve()))
print(json.dumps({"seconds": result["seconds"], "error": result["error"]}))
