"""The server's certificate: self-signed, for this machine only. crhelper and others speak nothing but HTTPS."""

import datetime
import ipaddress

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from .folder import Folder, write_atomically

_VALID_FOR = datetime.timedelta(days=825)
_RENEWED_BEFORE_END = datetime.timedelta(days=30)


def ensure_certificate(folder: Folder) -> None:
    """Make the certificate and its key where there is none yet or where it is about to expire."""
    now = datetime.datetime.now(datetime.UTC)
    if folder.key.exists() and folder.certificate.exists():
        present = x509.load_pem_x509_certificate(folder.certificate.read_bytes())
        if present.not_valid_after_utc - _RENEWED_BEFORE_END > now:
            return
    key = ec.generate_private_key(ec.SECP256R1())
    folder.key.touch(mode=0o600)
    folder.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    write_atomically(folder.certificate, _self_signed(key, now).public_bytes(serialization.Encoding.PEM))


def _self_signed(key: ec.EllipticCurvePrivateKey, now: datetime.datetime) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "local AWS")])
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + _VALID_FOR)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
