"""A certificate authority that lives as long as the server, and a leaf for each host name that is asked for.

Elliptic curves, since making an RSA key takes longer than all the rest of the start.
"""
import datetime
import ipaddress
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)


class Authority:
    def __init__(self, directory):
        self.directory = directory
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, 'keyring test authority')])
        builder = self._builder(self.name, self.key, 1).add_extension(x509.BasicConstraints(True, 0), True)
        self.ca_file = directory / 'ca.pem'
        self.ca_file.write_bytes(_pem(builder.sign(self.key, hashes.SHA256())))

    def _builder(self, subject, key, days):
        # a day back, as tests may run where clocks differ
        now = datetime.datetime.now(datetime.timezone.utc)
        return (x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(key.public_key())
                .serial_number(x509.random_serial_number()).not_valid_before(now - 2 * DAY)
                .not_valid_after(now + days * DAY))

    def context(self, label, hosts, days=1):
        """A server's TLS context for these hosts; with negative days its certificate has expired."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0])])
        names = x509.SubjectAlternativeName([_name(host) for host in hosts])
        certificate = self._builder(subject, key, days).add_extension(names, False).sign(self.key, hashes.SHA256())
        path = self.directory / (label + '.pem')
        path.touch(mode=0o600)
        path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                           serialization.NoEncryption()) + _pem(certificate))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context


def _name(host):
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM)
