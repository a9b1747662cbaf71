"""The MCP server: tools and resources by which an agent asks the published data. Only `server` imports the SDK."""
