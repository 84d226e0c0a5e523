// A host of MCP Apps as small as can be: the official client and the official bridge. Tests drive it by `window.host`.
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { AppBridge, PostMessageTransport, getToolUiResourceUri, isToolVisibilityAppOnly } from "@modelcontextprotocol/ext-apps/app-bridge";

const UI = { extensions: { "io.modelcontextprotocol/ui": { mimeTypes: ["text/html;profile=mcp-app"] } } };
let client, tools;

window.host = {
  links: [], heights: [],

  // Which revision was agreed on, and the tools that the assistant is told of.
  async connect(mode) {
    client = new Client({ name: "a host", version: "1" }, { capabilities: UI, versionNegotiation: { mode } });
    await client.connect(new StreamableHTTPClientTransport(new URL("/mcp", location.href)));
    tools = (await client.listTools()).tools;
    return { protocol: client.getNegotiatedProtocolVersion(), told: tools.filter((one) => !isToolVisibilityAppOnly(one)).map((one) => one.name) };
  },

  ask: (name, args) => client.callTool({ name, arguments: args }),

  // An assistant's call, whose result is shown in the card; `shown` is what a reopened transcript still has of one.
  async call(name, args, { theme = "light", opensLinks = true, shown } = {}) {
    const result = shown ?? (await client.callTool({ name, arguments: args }));
    const [page] = (await client.readResource({ uri: getToolUiResourceUri(tools.find((one) => one.name === name)) })).contents;
    const frame = Object.assign(document.createElement("iframe"), { src: document.body.dataset.sandbox, width: 640, title: "card" });
    frame.style.border = 0;
    document.body.replaceChildren(frame);
    const bridge = new AppBridge(client, { name: "a host", version: "1" }, { serverTools: {}, openLinks: {} }, { hostContext: { theme } });
    bridge.onsandboxready = () => bridge.sendSandboxResourceReady({ html: page.text, csp: page._meta.ui.csp, sandbox: "allow-scripts" });
    bridge.onsizechange = ({ height }) => { this.heights.push(height); frame.height = height; };
    bridge.onopenlink = async ({ url }) => { this.links.push(url); return opensLinks ? {} : { isError: true }; };
    bridge.oninitialized = async () => { await bridge.sendToolInput({ arguments: args }); await bridge.sendToolResult(result); };
    this.dress = (context) => bridge.sendHostContextChange({ theme: context });
    await bridge.connect(new PostMessageTransport(frame.contentWindow, frame.contentWindow));
    return result;
  },
};
