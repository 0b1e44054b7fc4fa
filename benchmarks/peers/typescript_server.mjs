// A peer: a server on the TypeScript SDK, as its documentation writes one.
//
// Its two tools forward the call to the service, and return what it answers. It takes the transport
// and the port, and from the environment SERVICE_URL, STYTCH_PROJECT_ID and STYTCH_SECRET.

import { createServer } from "node:http";
import { env, argv } from "node:process";

import { toNodeHandler } from "@modelcontextprotocol/node";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import { z } from "zod";

const APPS = `${env.SERVICE_URL}/v1/connected_apps/clients`;
const CREDENTIALS = Buffer.from(`${env.STYTCH_PROJECT_ID}:${env.STYTCH_SECRET}`).toString("base64");
const HEADERS = { authorization: `Basic ${CREDENTIALS}`, "content-type": "application/json" };

async function forward(method, url, body) {
  const response = await fetch(url, { method, headers: HEADERS, body });
  if (!response.ok) throw new Error(await response.text());
  const text = await response.text();
  return {
    content: [{ type: "text", text }],
    structuredContent: JSON.parse(text).connected_app,
  };
}

function buildServer() {
  const server = new McpServer({ name: "typescript", version: "1.0.0" });
  server.registerTool(
    "get_app",
    { description: "Get an app.", inputSchema: z.object({ client_id: z.string() }) },
    ({ client_id }) => forward("GET", `${APPS}/${client_id}`),
  );
  server.registerTool(
    "create_app",
    {
      description: "Create an app.",
      inputSchema: z.object({ client_type: z.string(), client_name: z.string().optional() }),
    },
    (app) => forward("POST", APPS, JSON.stringify(app)),
  );
  return server;
}

const [transport, port] = argv.slice(2);
if (transport === "stdio") {
  serveStdio(buildServer);
} else {
  createServer(toNodeHandler(createMcpHandler(buildServer))).listen(Number(port), "127.0.0.1");
}
