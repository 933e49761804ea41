"""The bill of materials of the functions' zip: its packages, their versions and licences.

CycloneDX 1.6 as JSON (https://cyclonedx.org/docs/1.6/json/), the same for every build of the same zip, so without a time. By the standard
library alone, as the build of the wheel has nothing else.
"""

import hashlib
import importlib.metadata
import json
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

LICENCES: Final = {
    "aws-lambda-powertools": "MIT-0",
    "boto3": "Apache-2.0",
    "botocore": "Apache-2.0 AND MIT AND MPL-2.0",
    "crhelper": "Apache-2.0",
    "jmespath": "MIT",
    "python-dateutil": "BSD-3-Clause AND (Apache-2.0 OR BSD-3-Clause)",
    "s3transfer": "Apache-2.0",
    "six": "MIT",
    "typing-extensions": "PSF-2.0",
    "urllib3": "MIT",
}
"""SPDX expressions of the licence texts. Some packages' metadata names none, and powertools' names MIT instead of MIT No Attribution."""


def sbom(archive: Path, version: str, distributions: Iterable[str]) -> str:
    """The bill of materials of a zip that was assembled from these installed distributions."""
    components = [_component(name) for name in distributions]
    bill = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, archive.name)}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": archive.name,
                "name": archive.name.rpartition("-")[0],
                "version": version,
                "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(archive.read_bytes()).hexdigest()}],
                "licenses": [{"expression": "Apache-2.0"}],
            }
        },
        "components": components,
        "dependencies": [{"ref": archive.name, "dependsOn": [component["bom-ref"] for component in components]}],
    }
    return json.dumps(bill, indent=2) + "\n"


def _component(name: str) -> dict[str, Any]:
    version = importlib.metadata.version(name)
    purl = f"pkg:pypi/{name}@{version}"
    return {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "purl": purl,
        "licenses": [{"expression": LICENCES[name]}],
    }
