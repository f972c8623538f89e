"""Amazon's Signature Version 4, for Bedrock. The only place that knows botocore."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.exceptions
import botocore.session

from mini_llm.errors import ConfigError, CredentialError
from mini_llm.signing import Outgoing, World

SERVICE = "bedrock"
_REGION = re.compile(r"\.([a-z]{2}(?:-[a-z]+)+-\d)\.")
# Where people's own files are, if not where they usually are: botocore's name for it, and the variable.
_FILES = {
    "profile": "AWS_PROFILE", "config_file": "AWS_CONFIG_FILE", "credentials_file": "AWS_SHARED_CREDENTIALS_FILE",
}  # fmt: skip


class Signer:
    """Signs with the key in the environment, else with what botocore finds: files, SSO, roles, the machine's own."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._found: Any = None

    async def headers(self, outgoing: Outgoing) -> Mapping[str, str]:
        """Return the signature, its date, and the token of a session."""
        return await asyncio.to_thread(self._signed, outgoing)  # botocore may ask the network for a new key

    def _signed(self, outgoing: Outgoing) -> Mapping[str, str]:
        credentials = self._credentials()
        for secret in (credentials.secret_key, credentials.token):
            if secret:
                self._world.hide(secret)
        headers = {"content-type": "application/json"}
        request = botocore.awsrequest.AWSRequest(outgoing.method, outgoing.url, headers, outgoing.body)
        botocore.auth.SigV4Auth(credentials, SERVICE, self._region(outgoing.url)).add_auth(request)
        return {name.lower(): value for name, value in request.headers.items() if name.lower() not in headers}

    def _credentials(self) -> Any:
        environ = self._world.environ
        key, secret = environ.get("AWS_ACCESS_KEY_ID"), environ.get("AWS_SECRET_ACCESS_KEY")
        if key and secret:
            return botocore.credentials.ReadOnlyCredentials(key, secret, environ.get("AWS_SESSION_TOKEN"))
        try:
            if self._found is None:
                session = botocore.session.Session()
                for name, variable in _FILES.items():
                    if environ.get(variable):
                        session.set_config_variable(name, environ[variable])
                self._found = session.get_credentials()
            if self._found is not None:
                return self._found.get_frozen_credentials()
        except botocore.exceptions.BotoCoreError as error:
            raise CredentialError(
                f"no AWS credentials: {error}", hint="run `aws sso login` or `aws configure`"
            ) from error
        raise CredentialError(
            "no AWS credentials", hint="set `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, or run `aws configure`"
        )

    def _region(self, url: str) -> str:
        """Return the region that an address names; for others the environment does."""
        if found := _REGION.search(urlsplit(url).hostname or ""):
            return found[1]
        environ = self._world.environ
        if region := environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION"):
            return region
        raise ConfigError("the AWS region is not known", hint="set `AWS_REGION`")
