"""Speaks TLS in front of a port of this machine that does not, and prints its own port.

    tls_proxy.py CERTIFICATE_AND_KEY PORT
"""

import asyncio
import ssl
import sys

certificate, target = sys.argv[1:]


async def copy(reader, writer):
    try:
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def serve(reader, writer):
    behind_reader, behind_writer = await asyncio.open_connection("127.0.0.1", int(target))
    await asyncio.gather(copy(reader, behind_writer), copy(behind_reader, writer))


async def main():
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
