"""The access log: a line of JSON for each request, and counters that a test can read."""
import collections
import json


class Journal:
    def __init__(self, path):
        self._out = path.open('a', buffering=1)
        self.counters = collections.defaultdict(collections.Counter)

    def note(self, time, kind, key, status, fault):
        """Called before the answer is sent, so that a client that has it finds it counted."""
        self.counters[kind][key or ''] += 1
        self._out.write(json.dumps({'time': round(time, 3), 'kind': kind, 'key': key, 'status': status,
                                    'fault': fault}) + '\n')

    def reset(self):
        self.counters.clear()
