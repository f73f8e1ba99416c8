/** A switch's end of the trunk: the one that dials, or the one that is dialled. One numbered connection at a time counts, the newest. */
import type { TrunkFrame } from "../core/switch/frames.ts";
import type { TrunkFile } from "../ports/process-file.ts";
import { FRAME_BYTES_MAX } from "../wire/envelope.ts";
import { refuse } from "../wire/parsed.ts";
import { encodeTrunk, parseTrunk } from "../wire/trunk.ts";
import type { SwitchInput } from "./client-sockets.ts";
import { startDialler } from "./dialler.ts";
import { listenGreeted, type Self } from "./greeted-server.ts";
import type { Link, LinkHandlers } from "./link.ts";
import type { Reporter } from "./reporter.ts";

/** As between hosts on a LAN. Unit: milliseconds. */
const REDIAL_MS = 20;

export interface TrunkOptions {
  readonly file: TrunkFile;
  readonly self: Self;
  readonly reporter: Reporter;
  readonly dispatch: (input: SwitchInput) => void;
}

export interface TrunkEnd {
  /** Dropped when that connection is gone. */
  send(conn: number, frame: TrunkFrame): void;
}

/** @throws EndProcess addressTaken when the address cannot be bound */
export async function openTrunk(options: TrunkOptions): Promise<TrunkEnd> {
  const { file, self, reporter, dispatch } = options;
  const { peer, listen, dial } = file;
  let current: { readonly conn: number; readonly link: Link } | null = null;
  let lastConn = 0;

  function attach(createOn: (handlers: LinkHandlers) => Link): void {
    lastConn += 1;
    const conn = lastConn;
    const older = current;
    const link = createOn({
      message(data) {
        const parsed = parseTrunk(data);
        if (parsed.ok) return dispatch({ kind: "trunk-frame", conn, frame: parsed.value });
        reporter.mark(`bad frame of switch ${peer}: ${parsed.why}`);
        return link.close();
      },
      closed() {
        if (current?.conn === conn) current = null;
        dispatch({ kind: "trunk-down", conn });
      },
    });
    current = { conn, link };
    older?.link.close();
    dispatch({ kind: "trunk-up", conn });
  }

  if (listen !== null) {
    await listenGreeted({
      endpoint: listen,
      self,
      kind: "binary",
      frameBytesMax: FRAME_BYTES_MAX,
      admit: ({ role, name }) =>
        role === "switch" && name === peer ? { ok: true, value: null } : refuse("not the trunk's"),
      greeted: (_hello, createOn) => attach(createOn),
      refused: (why) => reporter.mark(`refused: ${why}`),
    });
  }
  if (dial !== null) {
    startDialler({
      endpoint: dial,
      from: null,
      self,
      peer: { role: "switch", name: peer, path: null },
      frameBytesMax: FRAME_BYTES_MAX,
      redialMs: REDIAL_MS,
      greeted: attach,
      refused: () => undefined,
      foreign: (why) => reporter.mark(`answer on the trunk: ${why}`),
    });
  }
  return {
    send(conn, frame) {
      if (current?.conn !== conn) return;
      for (const bytes of encodeTrunk(frame)) current.link.send(bytes);
    },
  };
}
