r"""The worker process: engines that hear and speak, behind the gRPC contract of `proto/voicetrio/v1/worker.proto`.

    gateway == gRPC ==> services (asyncio edge) -> hearing / speaking (trio) -> engine pool -> engine host processes
                                                                            \-> an engine in this process

A worker knows no session, no client and no settings file: `core` for words and errors, and the contract.
This package imports nothing by itself: the engine hosts live in it too, and should not pay for a server.
"""
