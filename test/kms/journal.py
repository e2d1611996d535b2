"""The access log: a line of JSON for each request, and counters that a test can read."""
import collections
import json


class Journal:
    def __init__(self, path):
        self._out = path.open('a', buffering=1)
        self.counters = collections.defaultdict(collections.Counter)

    def arrived(self, kind, key):
        """Counted on arrival: a test may look while the request still waits."""
        self.counters[kind][key or ''] += 1

    def note(self, time, kind, key, status, fault):
        self._out.write(json.dumps({'time': round(time, 3), 'kind': kind, 'key': key, 'status': status,
                                    'fault': fault}) + '\n')

    def reset(self):
        self.counters.clear()
