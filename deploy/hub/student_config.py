"""The server of one student: only what the notebooks need, kernels that end."""

c = get_config()  # noqa: F821

# Language servers, shells and slides take memory, and no notebook asks for them.
c.ServerApp.jpserver_extensions = {
    "jupyter_lsp": False,
    "jupyter_server_terminals": False,
    "voila.server_extension": False,
}
c.ServerApp.terminals_enabled = False

# A picture comes up to 40 ms sooner.
c.ServerApp.kernel_websocket_connection_class = "prompt.PromptConnection"

# A kernel is larger than its server: end it first, also if the page is still open.
# The saved notebook keeps pictures, sentences and report.
c.MappingKernelManager.cull_idle_timeout = 1200
c.MappingKernelManager.cull_interval = 120
c.MappingKernelManager.cull_connected = True
