"""Samples the statuses of noted requests within 5 s, and watches the lab's memory, until the load ends.

watch.py URL FOLDER PID: reads FOLDER/accepted.*, ends when FOLDER/over is there, prints one line of JSON.
"""

import collections
import glob
import http.client
import json
import os
import random
import sys
import time
import urllib.parse

LATEST_SECONDS = 4.5


def resident_mib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        line = next(line for line in status if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


def main():
    url, folder, pid = urllib.parse.urlsplit(sys.argv[1]), sys.argv[2], sys.argv[3]
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=10)
    offsets, waiting, memory = {}, [], []
    seen, states, late, missing = 0, collections.Counter(), 0, []
    next_memory = 0.0
    while True:
        is_over = os.path.exists(os.path.join(folder, "over"))
        now = time.monotonic()
        for path in glob.glob(os.path.join(folder, "accepted.*")):
            with open(path, encoding="ascii") as notes:
                notes.seek(offsets.get(path, 0))
                for line in notes.readlines():
                    if not line.endswith("\n"):
                        break
                    offsets[path] = offsets.get(path, 0) + len(line)
                    seen += 1
                    waiting.append((now + random.uniform(0, LATEST_SECONDS - 1), now, line.strip()))
        waiting.sort()
        while waiting and waiting[0][0] <= time.monotonic():
            _, noted, request = waiting.pop(0)
            connection.request("GET", f"/api/v1/status/{request}")
            answer = connection.getresponse()
            body = answer.read()
            late += time.monotonic() - noted > 5
            if answer.status == 200:
                states[json.loads(body)["state"]] += 1
            else:
                missing.append(f"{answer.status} {request}")
        if now >= next_memory and not is_over:
            memory.append(resident_mib(pid))
            next_memory = now + 0.5
        if is_over and not waiting:
            break
        time.sleep(0.02)
    quarter = max(1, len(memory) // 4)
    print(json.dumps({
        "noted": seen, "states": states, "late": late, "missing": len(missing), "firstMissing": missing[:3],
        "peakMib": round(max(memory), 1),
        "thirdQuarterMib": round(sum(memory[2 * quarter:3 * quarter]) / quarter, 1),
        "lastQuarterMib": round(sum(memory[-quarter:]) / quarter, 1),
    }))


main()
