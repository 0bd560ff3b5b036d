"""Every way in which azure-identity signs in here, and what those may do who did."""

from __future__ import annotations

import datetime
import json
import time
import uuid
from pathlib import Path

import jwt
import pytest
from azure.ai.ml.constants import AssetTypes
from azure.ai.ml.entities import AmlCompute, Data
from azure.core.credentials import TokenCredential
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.identity import CertificateCredential, ClientSecretCredential, ManagedIdentityCredential, WorkloadIdentityCredential
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from cloud import authority, client_of, credential_of
from emulator import Control
from settings import Place, Principal, Settings

ARM = "https://management.azure.com/.default"
AUDIENCE = "api://AzureADTokenExchange"


def claims(credential: TokenCredential, scope: str = ARM) -> dict[str, object]:
    """What a credential's token says."""
    return jwt.decode(credential.get_token(scope).token, options={"verify_signature": False})


def sees(settings: Settings, place: Place, credential: TokenCredential) -> str:
    """The name of a workspace, as a credential sees it."""
    return client_of(settings, place, credential).workspaces.get(place.name).name


def certificate() -> tuple[str, str]:
    """A key and a certificate with it, as PEM."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "clients")])
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + datetime.timedelta(days=1))
    pem = made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return key.private_bytes(*form).decode(), pem


class Cluster:
    """An issuer of tokens, as a cluster is for its ServiceAccounts."""

    def __init__(self, control: Control) -> None:
        self.issuer = f"https://cluster.example/{uuid.uuid4()}"
        self._key = rsa.generate_private_key(65537, 2048)
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self._key.public_key()))
        control.trust(self.issuer, {"keys": [public | {"kid": "one", "use": "sig"}]})

    def token(self, file: Path, subject: str) -> str:
        """Writes a token for a subject where its pod would find it."""
        now = int(time.time())
        says = {"iss": self.issuer, "sub": subject, "aud": [AUDIENCE], "iat": now, "nbf": now, "exp": now + 600}
        file.write_text(jwt.encode(says, self._key, "RS256", headers={"kid": "one"}))
        return str(file)


def workload(settings: Settings, principal: Principal, file: str) -> WorkloadIdentityCredential:
    """The credential of a pod."""
    return WorkloadIdentityCredential(
        tenant_id=principal.tenant, client_id=principal.client_id, token_file_path=file, **authority(settings)
    )


def test_a_secret_gives_tokens_for_each_service(settings: Settings, credential: ClientSecretCredential) -> None:
    for scope in (ARM, "https://ml.azure.com/.default", "https://storage.azure.com/.default"):
        says = claims(credential, scope)
        assert says["aud"] == scope.removesuffix("/.default")
        assert (says["tid"], says["oid"]) == (settings.owner.tenant, settings.owner.object_id)
        assert 3000 < int(str(says["exp"])) - time.time() < 3700


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"secret": "wrong"}, "AADSTS7000215"),
        ({"client_id": str(uuid.uuid4())}, "AADSTS700016"),
        ({"tenant": str(uuid.uuid4())}, "AADSTS90002"),
    ],
)
def test_who_can_not_sign_in_is_told_why(settings: Settings, change: dict[str, str], code: str) -> None:
    who = Principal(**(vars(settings.owner) | change))
    with pytest.raises(ClientAuthenticationError, match=code):
        credential_of(settings, who).get_token(ARM)


def test_a_certificate_signs_in(settings: Settings, place: Place, control: Control) -> None:
    key, pem = certificate()
    who = control.principal(settings.owner.tenant, certificates=[pem])
    control.assign(place.arm_id, who.object_id, "Reader")
    credential = CertificateCredential(
        who.tenant, who.client_id, certificate_data=(key + pem).encode(), **authority(settings)
    )
    assert claims(credential)["oid"] == who.object_id
    assert sees(settings, place, credential) == place.name


def test_another_certificate_does_not(settings: Settings, control: Control) -> None:
    (_, known), (key, pem) = certificate(), certificate()
    who = control.principal(settings.owner.tenant, certificates=[known])
    credential = CertificateCredential(
        who.tenant, who.client_id, certificate_data=(key + pem).encode(), **authority(settings)
    )
    with pytest.raises(ClientAuthenticationError, match="AADSTS700027"):
        credential.get_token(ARM)


def test_a_pod_signs_in_by_its_token(settings: Settings, place: Place, control: Control, tmp_path: Path) -> None:
    cluster, subject = Cluster(control), "system:serviceaccount:team:ml"
    trust = {"issuer": cluster.issuer, "subject": subject, "audience": AUDIENCE}
    who = control.principal(settings.owner.tenant, federatedCredentials=[trust])
    control.assign(place.arm_id, who.object_id, "Reader")
    credential = workload(settings, who, cluster.token(tmp_path / "token", subject))
    assert claims(credential)["appid"] == who.client_id
    assert sees(settings, place, credential) == place.name


def test_the_pod_of_another_account_does_not(settings: Settings, control: Control, tmp_path: Path) -> None:
    cluster = Cluster(control)
    trust = {"issuer": cluster.issuer, "subject": "system:serviceaccount:team:ml", "audience": AUDIENCE}
    who = control.principal(settings.owner.tenant, federatedCredentials=[trust])
    credential = workload(settings, who, cluster.token(tmp_path / "token", "system:serviceaccount:other:ml"))
    with pytest.raises(ClientAuthenticationError, match="AADSTS700213"):
        credential.get_token(ARM)


def test_a_machine_has_the_identities_that_it_was_given(settings: Settings, place: Place, control: Control) -> None:
    who = control.principal(settings.owner.tenant, managedIdentity=True)
    control.assign(place.arm_id, who.object_id, "Reader")
    credential = ManagedIdentityCredential(client_id=who.client_id)
    assert claims(credential)["oid"] == who.object_id
    assert sees(settings, place, credential) == place.name
    with pytest.raises(ClientAuthenticationError):
        ManagedIdentityCredential(client_id=str(uuid.uuid4())).get_token(ARM)


def test_without_a_role_nothing_is_seen(settings: Settings, place: Place, control: Control) -> None:
    stranger = credential_of(settings, control.principal(settings.owner.tenant))
    with pytest.raises(HttpResponseError, match="AuthorizationFailed") as refused:
        sees(settings, place, stranger)
    assert refused.value.status_code == 403
    assert "Microsoft.MachineLearningServices/workspaces/read" in str(refused.value)


def test_a_reader_reads_and_does_not_write(settings: Settings, place: Place, control: Control) -> None:
    who = control.principal(settings.owner.tenant)
    control.assign(place.arm_id, who.object_id, "Reader")
    reader = client_of(settings, place, credential_of(settings, who))
    assert list(reader.data.list()) == []
    wanted = Data(name="people", version="1", path="azureml://datastores/workspaceblobstore/paths/a", type=AssetTypes.URI_FILE)
    with pytest.raises(HttpResponseError, match="AuthorizationFailed"):
        reader.data.create_or_update(wanted)


def test_a_data_scientist_works_and_makes_no_clusters(settings: Settings, place: Place, control: Control) -> None:
    who = control.principal(settings.owner.tenant)
    control.assign(place.arm_id, who.object_id, "AzureML Data Scientist")
    scientist = client_of(settings, place, credential_of(settings, who))
    wanted = Data(name="people", version="1", path="azureml://datastores/workspaceblobstore/paths/a", type=AssetTypes.URI_FILE)
    assert scientist.data.create_or_update(wanted).version == "1"
    with pytest.raises(HttpResponseError, match="computes/write"):
        scientist.compute.begin_create_or_update(AmlCompute(name="cpu", size="Standard_DS3_v2")).result()
