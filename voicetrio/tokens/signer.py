"""Signs tokens with LiveKit's own library. Import it late: see the package."""

from datetime import timedelta

from livekit import api

from voicetrio.core.token_request import TokenRequest, check_token_size
from voicetrio.tokens.config import TokenConfig


class Signer:
    def __init__(self, config: TokenConfig) -> None:
        self._key = config.api_key
        self._secret = config.api_secret
        self._ttl = timedelta(seconds=config.ttl)
        self._agent_name = config.agent_name

    def sign(self, room: str, identity: str, request: TokenRequest) -> str:
        """A token to join this room as this participant, with the rest of what was asked for. Microseconds.

        It allows to publish and to subscribe in that room, and nothing else: no other room, no other name, no command.

        Raises:
            BadTokenRequest: it would be too large for a URL.
        """
        grants = api.VideoGrants(
            room_join=True,
            room=room,
            can_publish=True,
            can_subscribe=True,
            can_publish_data=True,  # what the widget's user types goes to the agent as data, on the topic lk.chat
        )
        token = (
            api.AccessToken(self._key, self._secret)
            .with_identity(identity)
            .with_name(request.name)
            .with_metadata(request.metadata)
            .with_ttl(self._ttl)
            .with_grants(grants)
        )
        if request.attributes:
            token.with_attributes(dict(request.attributes))
        if self._agent_name:
            agent = api.RoomAgentDispatch(agent_name=self._agent_name, metadata=request.agent_metadata)
            token.with_room_config(api.RoomConfiguration(agents=[agent]))
        signed: str = token.to_jwt()
        check_token_size(signed, request)
        return signed
