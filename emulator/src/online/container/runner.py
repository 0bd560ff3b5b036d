"""Runs a scoring script: init() once, run(raw_data) for each line of standard input; answers a line each.

What the script prints goes to standard error, which is the container's log. The process ends when nobody writes to it
any more, whatever the script does.
"""

import importlib.util
import json
import os
import queue
import sys
import threading
import traceback

answers = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
os.dup2(2, 1)
sys.stdout = os.fdopen(1, "w", buffering=1)


def answer(**fields):
    answers.write(json.dumps(fields) + "\n")
    answers.flush()


def last_line():
    return traceback.format_exc().strip().splitlines()[-1]


asked = queue.SimpleQueue()


def listen():
    for line in sys.stdin:
        asked.put(json.loads(line))
    os._exit(0)


threading.Thread(target=listen, daemon=True).start()

try:
    script = os.path.abspath(sys.argv[1])
    sys.path.insert(0, os.path.dirname(script))
    spec = importlib.util.spec_from_file_location("entry_module", script)
    module = importlib.util.module_from_spec(spec)
    sys.modules["entry_module"] = module
    spec.loader.exec_module(module)
    module.run
    if hasattr(module, "init"):
        module.init()
except BaseException:
    traceback.print_exc()
    answer(error=last_line())
    sys.exit(1)
answer(ready=True)

while True:
    raw = asked.get()
    try:
        said = json.dumps(module.run(raw))
    except BaseException:
        traceback.print_exc()
        answer(error=last_line())
    else:
        answer(said=said)
