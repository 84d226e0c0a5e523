// The sandbox proxy of a web host, on an origin of its own: it holds the card's frame and passes messages on.
let inner = null;
addEventListener("message", ({ source, data }) => {
  if (data?.method === "ui/notifications/sandbox-resource-ready") {
    inner = document.createElement("iframe");
    inner.setAttribute("sandbox", data.params.sandbox);
    inner.srcdoc = data.params.html;
    inner.title = "the card";
    inner.style.cssText = "border: 0; width: 100%; height: 100vh; display: block";
    document.body.style.margin = 0;
    document.body.append(inner);
  } else if (source === parent) inner?.contentWindow.postMessage(data, "*");
  else if (source === inner?.contentWindow) parent.postMessage(data, "*");
});
parent.postMessage({ jsonrpc: "2.0", method: "ui/notifications/sandbox-proxy-ready", params: {} }, "*");
