"""The HTTP server: uvicorn's, with limits on connections, on the time that a request may take, and on its head."""

import asyncio
import contextlib
import signal

import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from infer.serve.bodies import refusal

HEAD = 1 << 16  # bytes of a request's line and headers
PIPELINED = 16  # requests sent ahead of an answer
IDLE = 5  # seconds that a connection may be without a request


class Protocol(HttpToolsProtocol):
    """A connection that is closed if it takes too long: IDLE between requests, the limit of seconds within one.

    When there are more than the limit, the one that has been idle for longest makes room; if none is, the new one is
    refused.
    """

    limits = None
    idle = {}  # the connections without a request, the one that has been so for longest first

    def connection_made(self, transport):
        super().connection_made(transport)
        self.alarm, self.head, self.running, self.ended = None, 0, None, False
        self.rest()
        if len(self.connections) > self.limits.connections:
            oldest = next(iter(self.idle))
            if oldest is self:
                self.end(503, "too many connections: try again")
                transport.close()
            else:
                oldest.cut_off()

    def connection_lost(self, error):
        self.alarm.cancel()
        self.idle.pop(self, None)
        self.leave()
        super().connection_lost(error)

    def _start_asgi_task(self, cycle, app):
        self.running = cycle  # which is not self.cycle, if more requests have been sent ahead
        super()._start_asgi_task(cycle, app)

    def leave(self):
        """Tells the application that the client is gone."""
        if self.running:
            self.running.disconnected = True
            self.running.message_event.set()

    def cut_off(self):
        self.leave()
        self.transport.abort()

    def rest(self):
        """Waits for a request, from now on."""
        self.idle[self] = None
        self.set_alarm(self.limits.seconds if self.transport.get_write_buffer_size() else IDLE)

    def set_alarm(self, seconds):
        if self.alarm:
            self.alarm.cancel()
        self.alarm = self.loop.call_later(seconds, self.on_alarm)

    def on_alarm(self):
        if self in self.idle and not self.ended and not self.transport.get_write_buffer_size():
            self.transport.close()
        elif self.running is None or self.running.response_complete or self.running.more_body:
            self.end(408, f"the request did not come within {self.limits.seconds:g} seconds")
        else:
            self.end(503, f"there was no answer within {self.limits.seconds:g} seconds: try again")

    def end(self, status, message):
        """Answers and takes no more. What still comes is read for a while, as a reset could destroy the answer."""
        if self.ended or self.transport.get_write_buffer_size():
            return self.cut_off()  # the client does not read
        self.leave()
        body = refusal(status, message)
        lines = [STATUS_LINE[status].decode() + f"content-type: application/json\r\ncontent-length: {len(body)}"]
        lines += ["connection: close", *["retry-after: 1"] * (status == 503), "\r\n"]
        self.transport.write("\r\n".join(lines).encode() + body)
        self.transport.write_eof()
        self.ended = True
        self.set_alarm(IDLE)

    def send_400_response(self, message):
        self.end(400, "this is not HTTP/1.1")

    def data_received(self, data):
        if self.ended:
            return
        self.head += len(data)
        super().data_received(data)
        if self.head > HEAD and not self.ended:
            self.end(431, f"the headers are longer than {HEAD} bytes")

    def on_message_begin(self):
        super().on_message_begin()
        self.idle.pop(self, None)
        self.set_alarm(self.limits.seconds)

    def on_headers_complete(self):
        super().on_headers_complete()
        self.head = 0
        if len(self.pipeline) > PIPELINED:
            self.cut_off()

    def on_body(self, body):
        super().on_body(body)
        self.head = 0

    def on_response_complete(self):
        super().on_response_complete()
        if not self.pipeline:
            self.rest()


class Server(uvicorn.Server):
    """uvicorn's server, which says when it answers, and ends with status 0 after SIGTERM.

    Args:
      grace: float, seconds that are left to what is under way then.
      on_ready: function, called when it answers.
    """

    def __init__(self, config, grace, on_ready):
        super().__init__(config)
        self.grace, self.on_ready = grace, on_ready

    async def startup(self, sockets=None):
        await super().startup(sockets)
        self.on_ready()

    async def shutdown(self, sockets=None):
        timer = asyncio.get_running_loop().call_later(self.grace, self.stop)
        await super().shutdown(sockets)
        timer.cancel()

    def stop(self):
        for connection in list(self.server_state.connections):
            connection.end(503, "the server is stopping")
            connection.transport.close()

    @contextlib.contextmanager
    def capture_signals(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.handle_exit)
        yield
        if self._captured_signals[:1] == [signal.SIGINT]:
            raise KeyboardInterrupt


async def serve(app, listener, limits, on_ready):
    """Serves an ASGI application on a socket that listens, until SIGTERM or SIGINT.

    What is under way then is answered within limits.grace seconds.
    Args:
      limits: of __main__.LIMITS, by attributes.
      on_ready: called when it answers.
    Raises: KeyboardInterrupt after SIGINT.
    """
    config = uvicorn.Config(
        app,
        http=type("Limited", (Protocol,), {"limits": limits}),
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="error",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=2 * IDLE,  # ours comes first
    )
    await Server(config, limits.grace, on_ready).serve([listener])
