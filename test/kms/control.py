"""What a test may do to the server: POST /NAME with a JSON object as arguments; the answer is JSON too.

Each public method of Control is such a call; README.md lists them.
"""
import inspect
import json

import answer
import keys


class Control:
    def __init__(self, world):
        self._world = world

    def __call__(self, path, body):
        method = getattr(self, path.strip('/'), None) if not path.startswith('/_') else None
        if not inspect.ismethod(method):
            return answer.Answer(404, {'error': f'no such call: {path}'})
        try:
            return answer.Answer(200, {'result': method(**json.loads(body or b'{}'))})
        except Exception as error:      # a test must see what it did wrong, whatever that is
            return answer.Answer(400, {'error': f'{type(error).__name__}: {error}'})

    def create_key(self, name, **options):
        self._world.keys[name] = keys.Key(name, self._world.clock(), **options)
        return self._world.keys[name].as_json()

    def delete_key(self, name):
        del self._world.keys[name]

    def describe_key(self, name):
        key = self._world.keys[name]
        return {**key.as_json(), 'versions': [version.as_json() for version in key.versions.values()]}

    def rotate(self, name):
        self._world.keys[name].rotate(self._world.clock())
        return self._world.keys[name].primary.number

    def set_state(self, name, state, version=None):
        """Of one version, or of all of them."""
        for number, found in self._world.keys[name].versions.items():
            if version in (None, number):
                found.set_state(state, self._world.clock())

    def set_primary(self, name, version):
        self._world.keys[name].primary = self._world.keys[name].versions[version] if version else None

    def grant(self, resource, role, member):
        self._world.bindings.grant(resource, role, member)

    def revoke(self, resource, role, member):
        self._world.bindings.revoke(resource, role, member)

    def create_account(self, email, project, path):
        self._world.accounts.create(email, project)
        return self._world.accounts.write_key_file(email, path)

    def enable_account(self, email, enabled):
        self._world.accounts.accounts[email].enabled = enabled

    def expire_tokens(self):
        self._world.accounts.expire_tokens()

    def set(self, **settings):
        unknown = set(settings) - set(self._world.settings)
        if unknown:
            raise ValueError(f'unknown setting {unknown}')
        self._world.settings.update(settings)

    def fault(self, **fault):
        self._world.faults.add(**fault)

    def clear_faults(self):
        self._world.faults.clear()

    def pending_faults(self):
        return self._world.faults.pending()

    def counters(self):
        return self._world.journal.counters

    def reset_counters(self):
        self._world.journal.reset()
