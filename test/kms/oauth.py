"""Service accounts, the token endpoint (JWT bearer grant), and who is behind an Authorization header."""
import base64
import binascii
import json
import os
import secrets
import urllib.parse

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

import answer

GRANT = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
SCOPES = {'https://www.googleapis.com/auth/cloudkms', 'https://www.googleapis.com/auth/cloud-platform'}
SERVICE_AUDIENCE = f'https://{answer.SERVICE}/'
LONGEST = 3600
FAST_CLOCK = 10     # seconds that a client's clock may be ahead


class Account:
    def __init__(self, email, project):
        self.email, self.project, self.enabled = email, project, True
        self.private_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.key_id = secrets.token_hex(20)

    @property
    def member(self):
        return 'serviceAccount:' + self.email

    def key_file(self, token_uri):
        """What the console hands out as a JSON key."""
        pem = self.private_key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                             serialization.NoEncryption())
        return {'type': 'service_account', 'project_id': self.project, 'private_key_id': self.key_id,
                'private_key': pem.decode(), 'client_email': self.email, 'client_id': '100000000000000000001',
                'auth_uri': 'https://accounts.google.com/o/oauth2/auth', 'token_uri': token_uri,
                'universe_domain': 'googleapis.com'}


class BadGrant(Exception):
    pass


class Accounts:
    def __init__(self, world):
        self.world, self.accounts, self._tokens = world, {}, {}

    def create(self, email, project):
        self.accounts[email] = Account(email, project)
        return self.accounts[email]

    def write_key_file(self, email, path):
        # made with its mode: clients refuse private keys that others can read
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 'w') as out:
            json.dump(self.accounts[email].key_file(self.world.urls['token_uri']), out, indent=2)
        return str(path)

    def issue(self, email, scopes):
        """An access token and the seconds it lives."""
        lifetime = self.world.settings['token_lifetime']
        token = 'ya29.c.' + secrets.token_urlsafe(96)
        self._tokens[token] = (self.accounts[email], set(scopes), self.world.clock() + lifetime)
        return token, lifetime

    def remaining(self, token):
        return self._tokens[token][2] - self.world.clock() if token in self._tokens else 0

    def expire_tokens(self):
        self._tokens.clear()

    def authenticate(self, headers):
        """The account that a request comes from."""
        kind, _, token = headers.get('Authorization', '').partition(' ')
        if kind != 'Bearer' or not token:
            raise answer.unauthenticated('CREDENTIALS_MISSING')
        if token.count('.') == 2 and token not in self._tokens:
            account, scopes = self._self_signed(token)
        else:
            account, scopes, expires = self._tokens.get(token, (None, (), 0))
            if not account or expires <= self.world.clock():
                raise answer.unauthenticated()
        if not account.enabled:
            raise answer.unauthenticated('ACCOUNT_STATE_INVALID')
        if not SCOPES & set(scopes):
            raise answer.insufficient_scope()
        return account

    def _self_signed(self, token):
        """A JWT of the account's own in place of an access token: for the service, or with a scope."""
        try:
            account, claims = self._verify(token)
        except BadGrant:
            raise answer.unauthenticated('ACCESS_TOKEN_TYPE_UNSUPPORTED') from None
        if claims.get('sub') != account.email:
            raise answer.unauthenticated('ACCESS_TOKEN_TYPE_UNSUPPORTED')
        if 'aud' not in claims:
            return account, claims.get('scope', '').split()
        if claims['aud'] not in (SERVICE_AUDIENCE, self.world.urls['endpoint'] + '/'):
            raise answer.unauthenticated('ACCESS_TOKEN_TYPE_UNSUPPORTED')
        return account, SCOPES

    def _verify(self, token):
        """The account that signed the JWT, and its claims."""
        try:
            signed, _, signature = token.rpartition('.')
            header, claims = (json.loads(_unpadded(part)) for part in signed.split('.'))
            signature = _unpadded(signature)
        except (ValueError, binascii.Error):
            raise BadGrant('Bad Request') from None
        account = self.accounts.get(claims.get('iss'))
        if not account or not account.enabled:
            raise BadGrant('Invalid grant: account not found')
        try:
            if header.get('alg') != 'RS256' or header.get('kid', account.key_id) != account.key_id:
                raise InvalidSignature
            account.private_key.public_key().verify(signature, signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            raise BadGrant('Invalid JWT Signature.') from None
        self._check_times(claims)
        return account, claims

    def _check_times(self, claims):
        now, issued, expires = self.world.clock(), claims.get('iat', 0), claims.get('exp', 0)
        if not (issued <= now + FAST_CLOCK and now < expires <= issued + LONGEST):
            raise BadGrant('Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. '
                           'Check your iat and exp values in the JWT claim.')

    def token_endpoint(self, body):
        form = dict(urllib.parse.parse_qsl(body.decode('utf-8', 'replace')))
        if form.get('grant_type') != GRANT:
            return _oauth_error('unsupported_grant_type', f'Invalid grant_type: {form.get("grant_type", "")}')
        try:
            account, claims = self._verify(form.get('assertion', ''))
            if claims.get('aud') not in self.world.settings['token_audiences']:
                raise BadGrant('Invalid JWT: Failed audience check. The right audience is '
                               + self.world.settings['token_audiences'][0])
        except BadGrant as bad:
            return _oauth_error('invalid_grant', str(bad))
        scopes = str(claims.get('scope', '')).split()
        if not scopes:
            return _oauth_error('invalid_scope', 'Invalid OAuth scope or ID token audience provided.')
        token, lifetime = self.issue(account.email, scopes)
        return answer.Answer(200, {'access_token': token, 'expires_in': lifetime, 'token_type': 'Bearer'})


def _unpadded(text):
    return base64.b64decode(text + '=' * (-len(text) % 4), b'-_', validate=True)


def _oauth_error(error, description):
    return answer.Answer(400, {'error': error, 'error_description': description})
