"""Sends the same requests to our injector and to a real Toxiproxy; status and body must be equal.

Usage: compare.py OURS THEIRS COUNTS   (two base URLs, and a file for the two numbers "equal different")

May differ, on purpose: our members `protocol`, `half_close`, `parent`, `implementation` and their `Logger`; the ports that
were found free; the content type of errors; the words after "bad request body:", in which ours say what was expected;
and the version.
"""

import http.client
import json
import re
import sys
import urllib.parse

# Method, path, body, and what is compared: "body", or "status" where the words are each one's own.
REQUESTS = [
    ("GET", "/proxies", None, "body"),
    ("GET", "/version", None, "status"),
    ("POST", "/proxies", '{"name": "a", "listen": "127.0.0.1:0", "upstream": "127.0.0.1:9"}', "body"),
    ("POST", "/proxies", '{"name": "a", "listen": "127.0.0.1:0", "upstream": "127.0.0.1:9"}', "body"),
    ("POST", "/proxies", '{"upstream": "127.0.0.1:9"}', "body"),
    ("POST", "/proxies", '{"name": "b"}', "body"),
    ("POST", "/proxies", '{"name": "", "upstream": ""}', "body"),
    ("POST", "/proxies", "", "status"),
    ("POST", "/proxies", "{", "status"),
    ("POST", "/proxies", "[]", "status"),
    ("POST", "/proxies", '{"name": 5, "upstream": "127.0.0.1:9"}', "status"),
    ("POST", "/proxies", '{"NAME": "c", "Upstream": "127.0.0.1:9", "listen": "127.0.0.1:0", "enabled": false}', "body"),
    ("GET", "/proxies", None, "body"),
    ("GET", "/proxies/a", None, "body"),
    ("GET", "/proxies/none", None, "body"),
    ("GET", "/proxies/", None, "status"),
    ("GET", "/list", None, "status"),
    ("PUT", "/proxies", "{}", "status"),
    ("PUT", "/proxies/a", "{}", "status"),
    ("GET", "/reset", None, "status"),
    ("POST", "/version", "", "status"),
    ("DELETE", "/proxies/a/toxics", None, "status"),
    ("POST", "/proxies/c", '{"enabled": true}', "body"),
    ("PATCH", "/proxies/c", '{"upstream": "127.0.0.1:10", "name": "other"}', "body"),
    ("POST", "/proxies/c", '{"enabled": false}', "body"),
    ("POST", "/proxies/none", '{"enabled": false}', "body"),
    ("PATCH", "/proxies/c", "nonsense", "status"),
    ("GET", "/proxies/a/toxics", None, "body"),
    ("GET", "/proxies/none/toxics", None, "body"),
    ("POST", "/proxies/a/toxics", '{"type": "latency", "attributes": {"latency": 100, "jitter": 10}}', "body"),
    ("POST", "/proxies/a/toxics", '{"type": "latency", "stream": "upstream", "toxicity": 0.25}', "body"),
    ("POST", "/proxies/a/toxics", '{"type": "latency"}', "body"),
    ("POST", "/proxies/a/toxics", '{"name": "latency_downstream", "type": "noop", "stream": "upstream"}', "body"),
    ("POST", "/proxies/a/toxics", '{"name": "b", "type": "bandwidth", "attributes": {"rate": 5}, "stream": "UPSTREAM"}', "body"),
    ("POST", "/proxies/a/toxics", '{"type": "slow_close", "attributes": null}', "body"),
    ("POST", "/proxies/a/toxics", '{"type": "timeout", "toxicity": 0, "attributes": {"timeout": 7}}', "body"),
    ("POST", "/proxies/a/toxics", '{"type": "reset_peer"}', "body"),
    ("POST", "/proxies/a/toxics", '{"type": "limit_data", "attributes": {"bytes": 3, "nonsense": 1}}', "body"),
    ("POST", "/proxies/a/toxics", '{"type": "slicer", "attributes": {"average_size": 9, "size_variation": 3, "delay": 4}}', "body"),
    ("POST", "/proxies/a/toxics", '{"type": "noop"}', "body"),
    ("POST", "/proxies/a/toxics", '{"type": "lateness"}', "body"),
    ("POST", "/proxies/a/toxics", "{}", "body"),
    ("POST", "/proxies/a/toxics", '{"type": "noop", "stream": "sideways"}', "body"),
    ("POST", "/proxies/a/toxics", "nonsense", "status"),
    ("POST", "/proxies/a/toxics", '{"type": "latency", "name": "x", "attributes": {"latency": "long"}}', "status"),
    ("POST", "/proxies/none/toxics", '{"type": "noop"}', "body"),
    ("GET", "/proxies/a/toxics", None, "body"),
    ("GET", "/proxies/a", None, "body"),
    ("GET", "/proxies/a/toxics/latency_downstream", None, "body"),
    ("GET", "/proxies/a/toxics/none", None, "body"),
    ("POST", "/proxies/a/toxics/latency_downstream", '{"attributes": {"latency": 200}}', "body"),
    ("PATCH", "/proxies/a/toxics/latency_downstream", '{"toxicity": 0.5, "attributes": {"jitter": 1}}', "body"),
    ("PATCH", "/proxies/a/toxics/latency_downstream", '{"name": "x", "type": "noop", "stream": "upstream"}', "body"),
    ("PATCH", "/proxies/a/toxics/none", "{}", "body"),
    ("PATCH", "/proxies/none/toxics/none", "{}", "body"),
    ("DELETE", "/proxies/a/toxics/latency_downstream", None, "body"),
    ("DELETE", "/proxies/a/toxics/latency_downstream", None, "body"),
    ("DELETE", "/proxies/none/toxics/x", None, "body"),
    ("POST", "/reset", None, "body"),
    ("GET", "/proxies", None, "body"),
    ("POST", "/populate", '[{"name": "p", "listen": "127.0.0.1:0", "upstream": "127.0.0.1:1"}, {"name": "q", "listen": "127.0.0.1:0", "upstream": "127.0.0.1:2", "enabled": false}]', "body"),
    ("POST", "/populate", '[{"name": "r", "upstream": "127.0.0.1:1"}, {"upstream": "127.0.0.1:1"}]', "error"),
    ("POST", "/populate", '[{"name": "r", "upstream": "127.0.0.1:1"}, {"name": "s"}]', "error"),
    ("POST", "/populate", "{}", "status"),
    ("POST", "/populate", "[]", "status"),
    ("GET", "/proxies/r", None, "body"),
    ("DELETE", "/proxies/p", None, "body"),
    ("DELETE", "/proxies/p", None, "body"),
    ("DELETE", "/proxies/q", None, "body"),
    ("DELETE", "/proxies/a", None, "body"),
    ("DELETE", "/proxies/c", None, "body"),
    ("GET", "/proxies", None, "body"),
]
OWN = {"protocol", "half_close", "parent", "implementation", "Logger"}


def ask(base, method, path, body, headers):
    url = urllib.parse.urlsplit(base)
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=20)
    connection.request(method, path, body=body, headers=headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text, answer.getheader("X-Toxiproxy-Request-Id")


def plain(value):
    """Without what may differ."""
    if isinstance(value, dict):
        return {key: plain(member) for key, member in value.items() if key not in OWN}
    if isinstance(value, list):
        return [plain(member) for member in value]
    if isinstance(value, str):
        return re.sub(r"^127\.0\.0\.1:[0-9]{5}$|^127\.0\.0\.1:[0-9]{4}$|^127\.0\.0\.1:0$", "127.0.0.1:FREE", value)
    return value


def parsed(text):
    try:
        return plain(json.loads(text))
    except json.JSONDecodeError:
        return text


def same(what, ours, theirs):
    # Theirs leaves the request's number out of 404 and 405 for paths that it does not know.
    if ours[0] != theirs[0] or not ours[2]:
        return False
    if what == "status":
        return True
    one, other = parsed(ours[1]), parsed(theirs[1])
    if what == "error":
        one, other = ({key: body[key] for key in ("error", "status")} for body in (one, other))
    return one == other


def main():
    ours, theirs, counts = sys.argv[1:]
    equal = different = 0
    requests = [(*request, {}) for request in REQUESTS]
    requests.append(("GET", "/proxies", None, "status", {"User-Agent": "Mozilla/5.0"}))
    for method, path, body, what, headers in requests:
        one, other = (ask(base, method, path, body, headers) for base in (ours, theirs))
        label = f"{method} {path} {body or ''}".strip()
        if same(what, one, other):
            equal += 1
            print(f"same ({one[0]}): {label}")
        else:
            different += 1
            print(f"FAILED {label}\n  ours   {one}\n  theirs {other}")
    with open(counts, "w", encoding="utf-8") as file:
        print(equal, different, file=file)


main()
