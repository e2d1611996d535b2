"""The REST calls of Cloud KMS v1: what is asked of which key, by whom, and the answer."""
import base64
import binascii
import json
import re
import urllib.parse

import access
import answer
import keys
from crc32c import crc32c

KEY = r'projects/[^/]+/locations/[a-z0-9-]{1,63}/keyRings/[\w-]{1,63}/cryptoKeys/[\w-]{1,63}'
PATH = re.compile(rf'/v1/((?P<key>{KEY})(?:/cryptoKeyVersions/(?P<version>[1-9]\d*)|(?P<list>/cryptoKeyVersions))?)'
                  r'(?::(?P<verb>[A-Za-z]+))?')
_USE = 'cloudkms.cryptoKeyVersions.'
# (HTTP method, path ends in, verb) -> kind, permission
CALLS = {
    ('POST', 'key', 'encrypt'): ('encrypt', _USE + 'useToEncrypt'),
    ('POST', 'version', 'encrypt'): ('encrypt', _USE + 'useToEncrypt'),
    ('POST', 'key', 'decrypt'): ('decrypt', _USE + 'useToDecrypt'),
    ('GET', 'key', None): ('get', 'cloudkms.cryptoKeys.get'),
    ('GET', 'version', None): ('get_version', _USE + 'get'),
    ('PATCH', 'version', None): ('patch_version', _USE + 'update'),
    ('POST', 'version', 'destroy'): ('destroy_version', _USE + 'destroy'),
    ('POST', 'version', 'restore'): ('restore_version', _USE + 'restore'),
    ('POST', 'list', None): ('create_version', _USE + 'create'),
    ('POST', 'key', 'updatePrimaryVersion'): ('update_primary', 'cloudkms.cryptoKeys.update'),
    ('POST', 'key', 'testIamPermissions'): ('test_permissions', None),
}


class Call:
    """One request, parsed. A path that is none of the service's has kind 'unknown'."""

    def __init__(self, method, target, headers, body):
        path = urllib.parse.unquote(urllib.parse.urlsplit(target).path)
        match = PATH.fullmatch(path)
        self.headers, self.body = headers, body
        self.key = match['key'] if match else None
        self.version = int(match['version']) if match and match['version'] else None
        ends = 'list' if match and match['list'] else 'version' if self.version else 'key'
        self.kind, self.permission = CALLS.get((method, ends, match and match['verb']), ('unknown', None))
        self.kind = self.kind if match else 'unknown'

    def fields(self, *known):
        """The JSON body; a field that the service does not know is refused, as it does."""
        try:
            body = json.loads(self.body or b'{}')
            unknown = [field for field in body if field not in known]
        except (ValueError, TypeError):
            raise answer.invalid('Invalid JSON payload received. Unexpected token.') from None
        if unknown:
            raise answer.invalid_field(
                '', f'Invalid JSON payload received. Unknown name "{unknown[0]}": Cannot find field.')
        return body


def _bytes(body, field):
    """A field of bytes, checked against its checksum; and whether there was one."""
    text = body.get(field) or ''
    try:
        data = base64.b64decode(text.replace('-', '+').replace('_', '/'), validate=True)
    except (binascii.Error, AttributeError, ValueError):
        raise answer.invalid_field(
            field, f'Invalid value at \'{field}\' (TYPE_BYTES), Base64 decoding failed for "{text}"') from None
    check = body.get(field + 'Crc32c')
    if check is not None and str(check) != str(crc32c(data)):
        name = re.sub('[A-Z]', lambda letter: '_' + letter[0].lower(), field)
        raise answer.invalid(f'The checksum in field {name}_crc32c did not match the data in field {name}.')
    return data, check is not None


def _b64(data):
    return base64.b64encode(data).decode()


class Service:
    def __init__(self, world):
        self.world = world

    def __call__(self, call):
        if call.kind == 'unknown':
            raise answer.html(404, 'Not Found')
        caller = self.world.accounts.authenticate(call.headers)
        if caller.project in self.world.settings['api_disabled']:
            raise answer.service_disabled(caller.project)
        if call.kind == 'test_permissions':
            return answer.Answer(200, self._test_permissions(call, caller))
        return answer.Answer(200, getattr(self, '_' + call.kind)(call, self._key(call, caller)))

    def _key(self, call, caller):
        """A key that is hidden from the caller looks like one that does not exist, and the other way round."""
        bindings = self.world.bindings
        key = self.world.keys.get(call.key)
        if not key and bindings.any_role(call.key.partition('/cryptoKeys/')[0], caller.member):
            raise answer.not_found('CryptoKey', call.key)
        if not key or call.permission not in bindings.permissions(call.key, caller.member):
            raise answer.denied(call.permission, call.key)
        key.catch_up(self.world.clock())
        return key

    def _version(self, call, key):
        if call.version not in key.versions:
            raise answer.not_found('CryptoKeyVersion', f'{key.name}/cryptoKeyVersions/{call.version}')
        return key.versions[call.version]

    def _sizes(self, key, data, aad):
        limit = 65536 if key.protection_level != 'HSM' else 8192
        if max(len(data), len(aad)) > limit or key.protection_level == 'HSM' and len(data) + len(aad) > limit:
            raise answer.invalid(f'The request is too large: at most {limit} bytes are allowed.')
        if key.purpose != 'ENCRYPT_DECRYPT':
            raise answer.refusal('FAILED_PRECONDITION', f'{key.name} has purpose {key.purpose}, not ENCRYPT_DECRYPT.')

    def _encrypt(self, call, key):
        body = call.fields('name', 'plaintext', 'plaintextCrc32c', 'additionalAuthenticatedData',
                           'additionalAuthenticatedDataCrc32c')
        plaintext, checked = _bytes(body, 'plaintext')
        aad, aad_checked = _bytes(body, 'additionalAuthenticatedData')
        self._sizes(key, plaintext, aad)
        version = self._version(call, key) if call.version else key.primary
        if not version:
            raise answer.refusal('FAILED_PRECONDITION', f'{key.name} has no primary version.')
        blob = key.encrypt(version, plaintext, aad)
        found = {'name': version.name, 'ciphertext': _b64(blob), 'ciphertextCrc32c': str(crc32c(blob)),
                 'protectionLevel': key.protection_level}
        # false is left out, as proto3 JSON does
        if checked:
            found['verifiedPlaintextCrc32c'] = True
        if aad_checked:
            found['verifiedAdditionalAuthenticatedDataCrc32c'] = True
        return found

    def _decrypt(self, call, key):
        body = call.fields('name', 'ciphertext', 'ciphertextCrc32c', 'additionalAuthenticatedData',
                           'additionalAuthenticatedDataCrc32c')
        blob, aad = _bytes(body, 'ciphertext')[0], _bytes(body, 'additionalAuthenticatedData')[0]
        self._sizes(key, blob[:-256], aad)
        version, plaintext = key.decrypt(blob, aad)
        found = {'plaintextCrc32c': str(crc32c(plaintext)), 'protectionLevel': key.protection_level}
        if plaintext:
            found['plaintext'] = _b64(plaintext)
        if version is key.primary:
            found['usedPrimary'] = True
        return found

    def _get(self, call, key):
        return key.as_json()

    def _get_version(self, call, key):
        return self._version(call, key).as_json()

    def _move(self, version, legal, state):
        if (version.state, state) not in legal:
            raise answer.refusal('FAILED_PRECONDITION',
                                 f'{version.name} cannot become {state}, current state is: {version.state}.')
        version.set_state(state, self.world.clock())
        return version.as_json()

    def _patch_version(self, call, key):
        # the other fields of a version are accepted, as update_mask picks the state alone
        wanted = call.fields('state', *self._version(call, key).as_json()).get('state')
        wanted = next((name for name, number in keys.STATES.items() if wanted in (name, number)), wanted)
        return self._move(self._version(call, key), {('ENABLED', 'DISABLED'), ('DISABLED', 'ENABLED')}, wanted)

    def _destroy_version(self, call, key):
        legal = {('ENABLED', 'DESTROY_SCHEDULED'), ('DISABLED', 'DESTROY_SCHEDULED')}
        return self._move(self._version(call, key), legal, 'DESTROY_SCHEDULED')

    def _restore_version(self, call, key):
        return self._move(self._version(call, key), {('DESTROY_SCHEDULED', 'DISABLED')}, 'DISABLED')

    def _create_version(self, call, key):
        return key.add_version(self.world.clock()).as_json()

    def _update_primary(self, call, key):
        call.version = int(call.fields('name', 'cryptoKeyVersionId').get('cryptoKeyVersionId', 0))
        key.primary = self._version(call, key)
        return key.as_json()

    def _test_permissions(self, call, caller):
        """Of what is asked that which is granted. To ask needs no permission; a key that does not exist grants none."""
        asked = call.fields('resource', 'permissions').get('permissions', [])
        if not isinstance(asked, list) or not all(isinstance(permission, str) for permission in asked):
            raise answer.invalid_field('permissions', "Invalid value at 'permissions' (TYPE_STRING)")
        for permission in asked:
            if permission not in access.PERMISSIONS:
                raise answer.invalid(f'Permission {permission} is not valid for this resource.')
        held = self.world.bindings.permissions(call.key, caller.member) if call.key in self.world.keys else ()
        granted = [permission for permission in asked if permission in held]
        return {'permissions': granted} if granted else {}
