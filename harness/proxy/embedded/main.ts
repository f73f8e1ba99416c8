/**
 * The embedded proxy as a process, started in Toxiproxy's place with its flags: `main.js -host <address> -port <number>`. Ends when it cannot listen, with
 * status 1 and the reason on stderr.
 */
import { parseArgs } from "node:util";
import { createEmbeddedServer } from "./server.ts";

const FAILED_STATUS = 1;

// Toxiproxy's flags have one dash.
const args = process.argv.slice(2).map((word) => word.replace(/^-(?=[a-z]{2})/, "--"));
const { host, port } = parseArgs({
  args,
  options: {
    host: { type: "string", default: "localhost" },
    port: { type: "string", default: "8474" },
  },
}).values;
const server = createEmbeddedServer();
server.on("error", (error) => {
  process.stderr.write(`cannot listen at ${host}:${port}: ${error.message}\n`);
  process.exit(FAILED_STATUS);
});
server.listen(Number(port), host);
