"""The MCP server: tools and resources by which an agent asks the published data. Only `server` imports the SDK."""

import sys
from types import ModuleType

# anyio's worker processes have no main module if the server's has no file (python -c, test runners), and then DuckDB,
# which asks for it, cannot be imported.
sys.modules.setdefault("__main__", ModuleType("__main__"))
