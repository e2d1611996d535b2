"""CryptoKeys with their versions: states, rotation, and the wrapping itself.

A ciphertext names the key and version that made it, as the service's does, and is opaque to clients. Its
checksum is what lets a damaged one be told from one that belongs elsewhere or has other additional data.
"""
import datetime
import os
import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

import answer
from crc32c import crc32c

# with the numbers of the service's enum, which its clients send and understand too
STATES = {'PENDING_GENERATION': 5, 'ENABLED': 1, 'DISABLED': 2, 'DESTROYED': 3, 'DESTROY_SCHEDULED': 4,
          'PENDING_IMPORT': 6, 'IMPORT_FAILED': 7, 'GENERATION_FAILED': 8}
HEADER = struct.Struct('>2s32sI12s')
MAGIC = b'\x0a\x24'


def timestamp(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime('%Y-%m-%dT%H:%M:%S.%fZ')


class Version:
    def __init__(self, key, number, now):
        self.key, self.number, self.created = key, number, now
        self.material = os.urandom(32)
        self.state, self.destroy_time, self.destroyed = 'ENABLED', None, None

    @property
    def name(self):
        return f'{self.key.name}/cryptoKeyVersions/{self.number}'

    def set_state(self, state, now):
        """Any state from any other, for tests; what a client may ask for is checked by the callers."""
        if state not in STATES:
            raise ValueError(f'unknown state {state}')
        self.state, self.destroy_time = state, None
        if state == 'DESTROY_SCHEDULED':
            self.destroy_time = now + self.key.destroy_after
        elif state == 'DESTROYED':
            self.destroyed, self.material = now, None

    def use(self):
        if self.state != 'ENABLED':
            raise answer.not_enabled(self.name, self.state)
        return AESGCM(self.material)

    def as_json(self):
        found = {'name': self.name, 'state': self.state, 'protectionLevel': self.key.protection_level,
                 'algorithm': 'GOOGLE_SYMMETRIC_ENCRYPTION', 'createTime': timestamp(self.created),
                 'generateTime': timestamp(self.created)}
        if self.destroy_time:
            found['destroyTime'] = timestamp(self.destroy_time)
        if self.destroyed:
            found['destroyEventTime'] = timestamp(self.destroyed)
        return found


class Key:
    def __init__(self, name, now, protection_level='SOFTWARE', purpose='ENCRYPT_DECRYPT', rotation=None,
                 destroy_after=30 * 86400, labels=None):
        self.name, self.created = name, now
        self.protection_level, self.purpose = protection_level, purpose
        self.rotation, self.next_rotation = rotation, now + rotation if rotation else None
        self.destroy_after, self.labels = destroy_after, labels
        self.tag = os.urandom(32)
        self.versions, self.primary = {}, None
        self.primary = self.add_version(now)

    def add_version(self, now):
        version = Version(self, len(self.versions) + 1, now)
        self.versions[version.number] = version
        return version

    def rotate(self, now):
        self.primary = self.add_version(now)

    def catch_up(self, now):
        """What the service does by itself as time passes."""
        while self.rotation and self.next_rotation <= now:
            self.rotate(now)
            self.next_rotation += self.rotation
        for version in self.versions.values():
            if version.destroy_time and version.destroy_time <= now:
                version.set_state('DESTROYED', now)

    def as_json(self):
        found = {'name': self.name, 'purpose': self.purpose, 'createTime': timestamp(self.created),
                 'versionTemplate': {'protectionLevel': self.protection_level,
                                     'algorithm': 'GOOGLE_SYMMETRIC_ENCRYPTION'},
                 'destroyScheduledDuration': f'{self.destroy_after}s'}
        if self.labels:
            found['labels'] = self.labels
        if self.primary:
            found['primary'] = self.primary.as_json()
        if self.rotation:
            found.update(rotationPeriod=f'{self.rotation}s', nextRotationTime=timestamp(self.next_rotation))
        return found

    def encrypt(self, version, plaintext, aad):
        cipher = version.use()
        header = HEADER.pack(MAGIC, self.tag, version.number, os.urandom(12))
        blob = header + cipher.encrypt(header[-12:], plaintext, header + aad)
        return blob + struct.pack('>I', crc32c(blob))

    def decrypt(self, blob, aad):
        """The version that made it, and the plaintext."""
        body, check = blob[:-4], blob[-4:]
        if len(body) < HEADER.size + 16 or struct.pack('>I', crc32c(body)) != check:
            raise answer.corrupt_ciphertext()
        magic, tag, number, nonce = HEADER.unpack_from(body)
        if magic != MAGIC:
            raise answer.corrupt_ciphertext()
        if tag != self.tag:
            raise answer.other_key()
        version = self.versions[number]
        try:
            return version, version.use().decrypt(nonce, body[HEADER.size:], body[:HEADER.size] + aad)
        except InvalidTag:
            raise answer.other_key() from None
