import { HttpClient } from "toxiproxy-node-client/dist/HttpClient.js";
import { HarnessError } from "../errors.ts";

/** Longest that a call may take. The server answers within milliseconds; a removed toxic may wait up to 5 s for a blocked writer. */
const CALL_DEADLINE_MS = 8_000;

interface Answer<Data> {
  data: Data;
}

/**
 * Carries the calls of toxiproxy-node-client. The client's own transport has no deadline, reports a refused connection without its
 * cause, and drops the status and the text of an error; it is exchanged for this one (`Toxiproxy.api`), so no call can escape.
 *
 * Every method throws HarnessError PROXY_FAILED: no answer in time, no connection (with its cause), or a status of 400 and above (with
 * the server's words).
 */
export class ProxyHttp extends HttpClient {
  override async get<Data>(url: string): Promise<Answer<Data>> {
    return parseAnswer<Data>(await call("GET", url, undefined));
  }

  override async post<Data>(url: string, body?: unknown): Promise<Answer<Data>> {
    return parseAnswer<Data>(await call("POST", url, body));
  }

  override async delete(url: string): Promise<void> {
    await call("DELETE", url, undefined);
  }

  override getText(url: string): Promise<string> {
    return call("GET", url, undefined);
  }
}

async function call(method: string, url: string, body: unknown): Promise<string> {
  const what = `${method} ${url}`;
  const signal = AbortSignal.timeout(CALL_DEADLINE_MS);
  const init: RequestInit = { method, signal };
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers = { "content-type": "application/json" };
  }
  let status: number;
  let text: string;
  try {
    const response = await fetch(url, init);
    status = response.status;
    text = await response.text();
  } catch (cause: unknown) {
    const why = signal.aborted ? `no answer within ${CALL_DEADLINE_MS} ms` : reasonOf(cause);
    throw failed(`${what}: ${why}`, cause);
  }
  if (status >= 400) throw failed(`${what}: status ${status}: ${text.trim().slice(0, 500)}`, null);
  return text;
}

/** `fetch` says only "fetch failed"; what happened is its cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}

/** The shape of an answer is the client's claim, checked where this project reads it. */
function parseAnswer<Data>(text: string): Answer<Data> {
  // An empty answer (204) has no data; the client's types cannot say so.
  return { data: (text === "" ? undefined : JSON.parse(text)) as Data };
}

function failed(message: string, cause: unknown): HarnessError {
  return new HarnessError("PROXY_FAILED", message, {
    hint: "Read toxiproxy.log in the run folder.",
    cause,
  });
}
