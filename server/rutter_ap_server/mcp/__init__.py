"""The MCP side of the server: requests in, results out."""
