"""Faults that a test orders for coming requests.

A fault is for a kind of request ('any' for all), perhaps for one key, and for so many requests. Several
effects go together: a delay, then an answer that is another one or the true one changed, then harm to
the connection. The first fault in the queue that fits is used, one for each request.
"""

import threading

import answer

ANSWERS = {'error', 'status', 'body', 'headers', 'set', 'oversize'}
FIELDS = ANSWERS | {'kind', 'key', 'count', 'skip', 'delay', 'drop', 'truncate'}


class Fault:
    def __init__(self, kind='any', key=None, count=1, skip=0, **effects):
        unknown = set(effects) - FIELDS
        if unknown or effects.get('error', 'denied') not in answer.NAMED:
            raise ValueError(f'unknown fault {unknown or effects["error"]}')
        self.kind, self.key, self.count, self.skip, self.effects = kind, key, count, skip, effects

    def fits(self, kind, key):
        return self.kind in ('any', kind) and self.key in (None, key)

    def wait(self, cleared):
        cleared.wait(self.effects.get('delay', 0))

    def answer(self, call, world, proceed):
        """The answer that the client gets; the request is only carried out where the fault changes its answer."""
        effects = self.effects
        if 'error' in effects:
            found = self._named(call, world)
        elif 'status' in effects or 'body' in effects:
            found = answer.Answer(effects.get('status', 200), effects.get('body', {}))
        else:
            found = proceed()
        if 'set' in effects:
            changed = {**found.body, **effects['set']}
            found.body = {name: value for name, value in changed.items() if value is not None}
        if 'oversize' in effects:
            found.body = {**found.body, 'padding': 'x' * effects['oversize']}
        found.headers.update(effects.get('headers', {}))
        return found

    def _named(self, call, world):
        key = world.keys.get(call.key)
        version = f'{call.key}/cryptoKeyVersions/{max(key.versions) if key else 1}'
        permission = call.permission or 'cloudkms.cryptoKeys.get'
        return answer.NAMED[self.effects['error']](permission, call.key, version, world.settings['project']).answer

    def as_json(self):
        return {'kind': self.kind, 'key': self.key, 'count': self.count, 'skip': self.skip, **self.effects}


class Faults:
    def __init__(self):
        self._queue, self.cleared = [], threading.Event()

    def add(self, **fault):
        self._queue.append(Fault(**fault))

    def clear(self):
        """Also ends the delays of requests that are waiting."""
        self._queue.clear()
        self.cleared.set()
        self.cleared = threading.Event()

    def pending(self):
        return [fault.as_json() for fault in self._queue]

    def take(self, kind, key):
        for fault in self._queue:
            if not fault.fits(kind, key):
                continue
            if fault.skip > 0:
                fault.skip -= 1
                return None
            fault.count -= 1
            if fault.count == 0:
                self._queue.remove(fault)
            return fault
        return None
