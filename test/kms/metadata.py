"""The metadata server of a virtual machine: tokens and the name of the account that it runs as."""
import urllib.parse

import answer
import oauth

ROOT = '/computeMetadata/v1/'
FLAVOR = {'Metadata-Flavor': 'Google', 'Server': 'Metadata Server for VM'}
STALE = 300     # a token is handed out again until this long before it expires


class Metadata:
    def __init__(self, world):
        self.world, self._token = world, None

    def __call__(self, target, headers):
        # a request that a proxy or a web page was talked into lacks the header
        if headers.get('Metadata-Flavor') != 'Google' or 'X-Forwarded-For' in headers:
            return answer.Answer(403, 'Missing Metadata-Flavor:Google header.', FLAVOR)
        found = self._find(urllib.parse.urlsplit(target).path)
        if found is None:
            return answer.Answer(404, answer.HTML.format(404, 'Not Found'), FLAVOR)
        if isinstance(found, str):
            return answer.Answer(200, found.encode(), {'Content-Type': 'application/text', **FLAVOR})
        return answer.Answer(200, found, FLAVOR)

    def _find(self, path):
        account = self.world.accounts.accounts.get(self.world.settings['metadata_account'])
        if path in ('/', ROOT):
            return 'computeMetadata/\n' if path == '/' else 'instance/\nproject/\n'
        if not account or not path.startswith(ROOT):
            return None
        path = path[len(ROOT):].rstrip('/')
        accounts = 'instance/service-accounts/'
        for name in ('default', account.email):
            if path == accounts + name + '/token':
                return self._current_token(account)
            if path == accounts + name + '/email':
                return account.email
            if path == accounts + name + '/scopes':
                return '\n'.join(sorted(oauth.SCOPES)) + '\n'
        return account.project if path == 'project/project-id' else None

    def _current_token(self, account):
        accounts, lifetime = self.world.accounts, self.world.settings['token_lifetime']
        stale = min(STALE, lifetime / 2)
        if not self._token or self._token[0] != account or accounts.remaining(self._token[1]) <= stale:
            self._token = (account, accounts.issue(account.email, oauth.SCOPES)[0])
        token = self._token[1]
        return {'access_token': token, 'expires_in': int(accounts.remaining(token)), 'token_type': 'Bearer'}
