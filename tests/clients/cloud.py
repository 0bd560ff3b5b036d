"""The emulator, as Azure's clients are told of a cloud."""

from __future__ import annotations

from typing import Any

from azure.ai.ml import MLClient
from azure.core.credentials import TokenCredential
from azure.identity import ClientSecretCredential

from settings import Place, Principal, Settings


def authority(settings: Settings) -> dict[str, Any]:
    """Where azure-identity signs in."""
    return {"authority": settings.url, "disable_instance_discovery": True}


def credential_of(settings: Settings, principal: Principal) -> ClientSecretCredential:
    """A principal's, by its secret."""
    return ClientSecretCredential(principal.tenant, principal.client_id, principal.secret, **authority(settings))


def client_of(settings: Settings, place: Place, credential: TokenCredential) -> MLClient:
    """A client of a workspace."""
    metadata = {
        "azure_portal": f"{settings.url}/studio",
        "resource_manager": settings.url,
        "active_directory": settings.url,
        "aml_resource_id": "https://ml.azure.com",
        "storage_endpoint": settings.storage_endpoint,
        "registry_discovery_endpoint": settings.url,
    }
    return MLClient(
        credential,
        place.subscription,
        place.group,
        place.name,
        cloud="AzureEmulator",
        cloud_metadata=metadata,
        enable_telemetry=False,
        show_progress=False,
    )
