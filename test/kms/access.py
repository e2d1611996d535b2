"""IAM: which member holds which role on a key, a key ring or a project."""

_USE = 'cloudkms.cryptoKeyVersions.useTo'
ROLES = {
    # crypto only: it does not include reading the key
    'roles/cloudkms.cryptoKeyEncrypterDecrypter': {_USE + 'Encrypt', _USE + 'Decrypt'},
    'roles/cloudkms.cryptoKeyEncrypter': {_USE + 'Encrypt'},
    'roles/cloudkms.cryptoKeyDecrypter': {_USE + 'Decrypt'},
    'roles/cloudkms.viewer': {'cloudkms.cryptoKeys.get', 'cloudkms.cryptoKeyVersions.get'},
    'roles/cloudkms.admin': {'cloudkms.cryptoKeys.get', 'cloudkms.cryptoKeys.update', 'cloudkms.cryptoKeyVersions.get',
                             'cloudkms.cryptoKeyVersions.create', 'cloudkms.cryptoKeyVersions.update',
                             'cloudkms.cryptoKeyVersions.destroy', 'cloudkms.cryptoKeyVersions.restore'},
}
# What can be asked about: these, and others that matter to no role here. A name with a * is none.
PERMISSIONS = set().union(*ROLES.values()) | {
    'cloudkms.cryptoKeys.getIamPolicy', 'cloudkms.cryptoKeys.setIamPolicy', 'cloudkms.cryptoKeyVersions.list'}


class Bindings:
    def __init__(self):
        self._members = {}

    def grant(self, resource, role, member):
        if role not in ROLES:
            raise ValueError(f'unknown role {role}')
        self._members.setdefault((resource, role), set()).add(member)

    def revoke(self, resource, role, member):
        self._members.get((resource, role), set()).remove(member)

    def permissions(self, resource, member):
        """What the member may do there; the roles of its parents are inherited."""
        found = set()
        while resource:
            for role, permissions in ROLES.items():
                if member in self._members.get((resource, role), ()):
                    found |= permissions
            resource = resource.rpartition('/')[0].rpartition('/')[0]
        return found

    def any_role(self, resource, member):
        return bool(self.permissions(resource, member))
