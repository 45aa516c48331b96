"""`voicetrio token [ROOM]`: a token to join a LiveKit room, for operators: whoever has the keys may enter any room."""

import argparse
import os
import secrets
import sys

from voicetrio.cli.compose import token_config
from voicetrio.core.token_request import BadTokenRequest, TokenRequest, parse_request
from voicetrio.settings import ConfigError, Settings, load_settings
from voicetrio.tokens import TokenConfig, make_signer


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser("token", help="print a token to join a LiveKit room")
    parser.add_argument("room", nargs="?", metavar="ROOM", default="", help="any room; default: a new one")
    parser.add_argument("--identity", metavar="ID", default="", help="who joins; default: a new identity")
    parser.add_argument("--name", metavar="NAME", default="", help="as others are shown it")
    parser.add_argument("--config", metavar="FILE", action="append", default=[], help="settings; the last file wins")
    parser.set_defaults(command=run_token)


def run_token(args: argparse.Namespace) -> int:
    """The token goes to standard output, all else to standard error. The exit code: 0, 1, or 2 without keys."""
    try:
        config = _config(load_settings(args.config, os.environ))
    except ConfigError as error:
        for fault in error.faults:
            print(fault, file=sys.stderr)
        return 2
    fields = [("room_name", args.room), ("participant_identity", args.identity), ("participant_name", args.name)]
    try:
        print(_issue(parse_request(fields, agent_name=config.agent_name), config))
    except BadTokenRequest as error:
        print(f"voicetrio: {error}", file=sys.stderr)
        return 1
    return 0


def _config(settings: Settings) -> TokenConfig:
    config = token_config(settings)
    if config is None:
        raise ConfigError(
            [
                "no LiveKit keys are configured: set livekit.url, livekit.api_key and livekit.api_secret, "
                "or VOICETRIO_LIVEKIT__URL, VOICETRIO_LIVEKIT__API_KEY and VOICETRIO_LIVEKIT__API_SECRET"
            ]
        )
    return config


def _issue(request: TokenRequest, config: TokenConfig) -> str:
    room = request.room or f"room-{secrets.token_hex(6)}"
    identity = request.identity or f"user-{secrets.token_hex(6)}"
    token = make_signer(config).sign(room, identity, request)
    print(f"{config.server_url}: room {room}, identity {identity}, to join within {config.ttl:g} s", file=sys.stderr)
    return token
