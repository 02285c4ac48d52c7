"""A way to a kernel on which no message waits for the next.

Jupyter's own leaves it to the system to join small messages (Nagle's algorithm): what a
kernel says after "busy" then comes up to 40 ms late, which is seen when a slider moves.
"""

from jupyter_server.services.kernels.connection.channels import (
    ZMQChannelsWebsocketConnection,
)


class PromptConnection(ZMQChannelsWebsocketConnection):
    """Jupyter's connection of a page to a kernel, less that wait."""

    def connect(self):
        """Connect, and send from now on what there is."""
        self.websocket_handler.set_nodelay(True)
        return super().connect()
