"""For all tests: trio-asyncio replaces functions of asyncio, and grpclib takes hold of them when it is imported."""

import trio_asyncio  # noqa: F401
