/** The control channel (node/wire/control.ts): events to every harness that attaches, and its requests. */
import type { OperatorCommand } from "../core/host/contract.ts";
import type { Endpoint } from "../ports/process-file.ts";
import { type Check, count, flag, isRecord, name, oneOf, shape, variants } from "../wire/checks.ts";
import type { ControlDone, ControlRequest } from "../wire/control.ts";
import { type Parsed, refuse } from "../wire/parsed.ts";
import { type GreetedServer, listenGreeted, type Self } from "./greeted-server.ts";
import type { Link } from "./link.ts";
import type { Fields, Reporter } from "./reporter.ts";

const REQUEST_BYTES_MAX = 4_096;

export interface ControlHandlers {
  /** Calls `done` once nothing of this process is in flight. */
  quiesce(done: (fields: Fields) => void): void;
  /** Undoes `quiesce`. */
  release(): void;
  /** False: this process obeys no operator. */
  operate(command: OperatorCommand): boolean;
  status(): Fields;
  /** Calls `done`, then ends the process in good order. */
  stop(done: (fields: Fields) => void): void;
}

export interface ControlOptions {
  readonly endpoint: Endpoint;
  readonly self: Self;
  readonly reporter: Reporter;
  readonly handlers: ControlHandlers;
}

type Op = OperatorCommand["op"];

const COMMANDS: { readonly [Name in Op]: Check<Extract<OperatorCommand, { op: Name }>> } = {
  resolve: shape({ op: oneOf("resolve"), keep: name, damaged: flag }),
  "force-boot": shape({ op: oneOf("force-boot"), damaged: flag, wallMs: count }),
  "switch-over": shape({ op: oneOf("switch-over") }),
  drain: shape({ op: oneOf("drain") }),
};

const command: Check<OperatorCommand> = (value) => {
  if (!isRecord(value) || !Object.hasOwn(COMMANDS, String(value["op"]))) return "op";
  return COMMANDS[value["op"] as Op](value);
};

const request = variants<ControlRequest>({
  quiesce: { id: count },
  release: { id: count },
  operator: { id: count, command },
  status: { id: count },
  stop: { id: count },
});

/** @throws EndProcess addressTaken when the address cannot be bound */
export function serveControl({
  endpoint,
  self,
  reporter,
  handlers,
}: ControlOptions): Promise<GreetedServer> {
  const answer = (link: Link, id: number, fields: Fields): void => {
    const done: ControlDone = { kind: "done", id, fields };
    link.send(JSON.stringify(done));
  };
  const take = (link: Link, data: Uint8Array): void => {
    const parsed = parseRequest(data);
    if (!parsed.ok) {
      reporter.mark(`control ${parsed.why}`);
      link.close();
      return;
    }
    const { kind, id } = parsed.value;
    switch (kind) {
      case "release":
        handlers.release();
        answer(link, id, {});
        return;
      case "operator":
        answer(link, id, { isObeyed: handlers.operate(parsed.value.command) });
        return;
      case "quiesce":
        handlers.quiesce((fields) => answer(link, id, fields));
        return;
      case "status":
        answer(link, id, handlers.status());
        return;
      case "stop":
        handlers.stop((fields) => answer(link, id, fields));
        return;
      default:
        kind satisfies never;
        return;
    }
  };
  return listenGreeted({
    endpoint,
    self,
    kind: "text",
    frameBytesMax: REQUEST_BYTES_MAX,
    admit: ({ role }) => (role === "harness" ? { ok: true, value: null } : refuse("wrong role")),
    greeted(_hello, createOn) {
      const follow = (event: object): void => link.send(JSON.stringify(event));
      const link = createOn({
        message: (data) => take(link, data),
        closed: () => reporter.unfollow(follow),
      });
      reporter.follow(follow);
    },
    refused: (why) => reporter.mark(`control refused: ${why}`),
  });
}

function parseRequest(data: Uint8Array): Parsed<ControlRequest> {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(data).toString());
  } catch {
    // Whatever it was, it is no request.
    return refuse("no JSON");
  }
  const wrong = request(value);
  if (wrong !== null) return refuse("wrong request");
  return { ok: true, value: value as ControlRequest };
}
