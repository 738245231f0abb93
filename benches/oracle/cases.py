"""Writes down what Microsoft's SDK does with cases of tests/spec: `python benches/oracle/cases.py tests/spec/job/my-case...`

For each folder it prints the SDK's refusal, or writes `out.json`: the writes and uploads in canonical form. What the user gives
besides the file (`overrides.json`) is put into the document first, with the SDK's own `params_override`.
"""
import json, os, sys
import oracle, canon, yaml
from azure.ai.ml.entities import _load_functions as loaders

def with_overrides(case):
    """Lets the SDK's loaders see what `overrides.json` holds."""
    path = os.path.join(case, "overrides.json")
    given = json.load(open(path)) if os.path.exists(path) else {}
    extra = [{k: yaml.safe_load(v)} for k, v in given.get("set", {}).items()] + [{k: v} for k, v in given.get("fields", {}).items()]
    extra += [{k: given[k]} for k in ("name", "version") if k in given]
    real = loaders.load_common
    def load_common(cls, source, relative_origin, params_override=None, **kwargs):
        return real(cls, source, relative_origin, params_override=(params_override or []) + extra, **kwargs)
    return real, load_common

def main(cases):
    bad = 0
    for case in cases:
        file = os.path.join(case, "in.yml")
        if not os.path.exists(file):
            print(f"{case}: no in.yml"); continue
        real, loaders.load_common = with_overrides(case)
        result = oracle.one(os.path.abspath(file))
        loaders.load_common = real
        if result is None:
            print(f"{case}: the oracle knows no such kind; is `$schema` right?"); bad += 1
        elif result["error"] and not canon.effects(oracle.clean(result["log"]))["effects"]:
            print(f"{case}: refused: {result['error']}")
            if os.path.exists(os.path.join(case, "out.json")): os.remove(os.path.join(case, "out.json"))
        else:
            text = json.dumps(canon.effects(oracle.clean(result["log"])), indent=1, sort_keys=True)
            open(os.path.join(case, "out.json"), "w").write(text.replace(os.path.abspath(case), "<root>") + "\n")
            # After a write it is the stand-in's answer that the SDK could not read; what it sent is sent all the same.
            print(f"{case}: written" + (f", though the answer was not read: {result['error']}" if result["error"] else ""))
    return bad

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
