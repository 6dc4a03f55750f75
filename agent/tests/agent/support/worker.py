"""An engine for tests: the content of a recording says what to do with it.

speak:CODE        answer CODE
unfit:CODE        the recording is to blame
engine:N          fail N times by the engine's fault, then answer en
crash:N           die N times, then answer en
hang:N            hang N times, then answer en
garbage:N         speak nonsense N times, then answer en

Every attempt is noted, with its request, in STATE/NAME.
"""

import json
import os
import sys
import time

state = sys.argv[1]


def say(**members):
    print(json.dumps(members), flush=True)


say(ready={"engine": "test", "device": "cpu", "model": "words"})
for line in sys.stdin:
    request = json.loads(line)
    with open(request["path"], encoding="utf-8") as file:
        verb, _, argument = file.read().strip().partition(":")
    noted = os.path.join(state, os.path.basename(request["path"]))
    with open(noted, "a", encoding="utf-8") as notes:
        notes.write(line)
    with open(noted, encoding="utf-8") as notes:
        attempt = sum(1 for _ in notes)
    answer = {"id": request["id"], "duration_seconds": 1.5, "probabilities": []}
    if verb == "speak":
        say(**answer, language=argument)
    elif verb == "unfit":
        say(id=request["id"], error="cannot be read", code=argument, **{"class": "recording"})
    elif attempt > int(argument):
        say(**answer, language="en")
    elif verb == "engine":
        say(id=request["id"], error="out of memory", code="oom", **{"class": "engine"})
    elif verb == "crash":
        os.kill(os.getpid(), 9)
    elif verb == "hang":
        time.sleep(3600)
    elif verb == "garbage":
        print("Segmentation fault (just kidding)", flush=True)
