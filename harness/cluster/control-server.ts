import { timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import * as v from "valibot";
import type { Endpoint } from "../../node/ports/process-file.ts";
import { HarnessError } from "../errors.ts";
import { type ControlAnswer, type ControlRequest, SECRET_HEADER } from "./control.ts";

/** A request is a few hundred bytes. */
const BODY_MAX = 16_384;
const SOCKETS_MAX = 16;
const REQUEST_WITHIN_MS = 1_000;
/** How often slow connections are looked for. */
const CHECK_EVERY_MS = 250;

const fields = v.record(v.string(), v.unknown());
const request = v.variant("op", [
  v.strictObject({ op: v.literal("status") }),
  v.strictObject({ op: v.literal("fault"), fields, forMs: v.nullable(v.number()) }),
  v.strictObject({ op: v.literal("heal"), id: v.nullable(v.number()) }),
  v.strictObject({ op: v.literal("operator"), host: v.nullable(v.string()), fields }),
  v.strictObject({ op: v.literal("audit") }),
  v.strictObject({ op: v.literal("down") }),
]);

export interface ControlServer {
  close(): void;
}

/**
 * Serves requests one after the other. Who does not know the secret, a browser's page (it sends an Origin), and who is slow, learns nothing and changes
 * nothing.
 *
 * @throws HarnessError PORT_TAKEN when the address cannot be bound
 */
export function startControlServer(
  endpoint: Endpoint,
  secret: string,
  handle: (asked: ControlRequest) => Promise<unknown>,
): Promise<ControlServer> {
  let last: Promise<unknown> = Promise.resolve();
  const options = { connectionsCheckingInterval: CHECK_EVERY_MS };
  const server = createServer(options, (incoming, response) => {
    if (!isTrusted(incoming, secret)) {
      refuse(response, 403);
      return;
    }
    void readText(incoming).then((text) => {
      if (text === null) {
        refuse(response, 413);
        return;
      }
      const turn = last.then(() => answerTo(text, handle));
      last = turn;
      void turn.then((answer) => {
        response.writeHead(200, { "content-type": "application/json" });
        response.end(JSON.stringify(answer));
      });
    });
  });
  server.maxConnections = SOCKETS_MAX;
  server.headersTimeout = REQUEST_WITHIN_MS;
  server.requestTimeout = REQUEST_WITHIN_MS;
  return listen(server, endpoint);
}

function listen(server: Server, { address, port }: Endpoint): Promise<ControlServer> {
  return new Promise((resolve, reject) => {
    server.once("error", (cause) => {
      const message = `cannot listen at ${address}:${port}: ${cause.message}`;
      const hint = "End the program that holds this port.";
      reject(new HarnessError("PORT_TAKEN", message, { hint, cause }));
    });
    server.listen({ host: address, port, exclusive: true }, () => {
      resolve({
        close() {
          server.close();
          server.closeAllConnections();
        },
      });
    });
  });
}

function isTrusted({ method, headers }: IncomingMessage, secret: string): boolean {
  const given = headers[SECRET_HEADER];
  if (method !== "POST" || headers.origin !== undefined || typeof given !== "string") return false;
  const [one, other] = [Buffer.from(given), Buffer.from(secret)];
  return one.length === other.length && timingSafeEqual(one, other);
}

function refuse(response: ServerResponse, status: number): void {
  response.writeHead(status, { connection: "close" });
  response.end();
}

/** Null: too long, or cut off. */
async function readText(incoming: IncomingMessage): Promise<string | null> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of incoming as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > BODY_MAX) return null;
      chunks.push(chunk);
    }
    return Buffer.concat(chunks).toString("utf8");
  } catch {
    // Nobody waits for an answer any more.
    return null;
  }
}

async function answerTo(
  text: string,
  handle: (asked: ControlRequest) => Promise<unknown>,
): Promise<ControlAnswer> {
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), request), text);
  if (!parsed.success) {
    const [{ message }] = parsed.issues;
    const hint = "The command and the cluster may be of different versions.";
    return { ok: false, code: "BAD_SCENARIO", message: `no such request: ${message}`, hint };
  }
  try {
    return { ok: true, value: (await handle(parsed.output)) ?? null };
  } catch (error: unknown) {
    if (error instanceof HarnessError) {
      const { code, message, hint } = error;
      return { ok: false, code, message, hint };
    }
    const message = error instanceof Error ? error.message : String(error);
    const hint = "This is a mistake in Faultline: please report it.";
    return { ok: false, code: "INTERNAL", message, hint };
  }
}
