/** The role `switch`: its core over clients' TCP connections and the hosts' frames. */
import { unreachable } from "../core/invariant.ts";
import type { SwitchEffect } from "../core/switch/contract.ts";
import type { SwitchState } from "../core/switch/state.ts";
import { createSwitch, stepSwitch } from "../core/switch/switch.ts";
import type { SwitchFile } from "../ports/process-file.ts";
import { encodeFromSwitch, parseToSwitch } from "../wire/switch.ts";
import { createClientSockets, type SwitchInput } from "./client-sockets.ts";
import { monotonicMs, monotonicUs } from "./clock.ts";
import { acceptHosts } from "./host-acceptor.ts";
import { createLagMeter } from "./lag-meter.ts";
import type { Fields } from "./reporter.ts";
import type { RoleOptions, RunningRole } from "./running-process.ts";
import { openTrunk, type TrunkEnd } from "./trunk.ts";

const TICK_MS = 20;

/** Returns once every address is bound. */
export async function runSwitch({
  file,
  self,
  reporter,
}: RoleOptions<SwitchFile>): Promise<RunningRole> {
  const { site } = file;
  const vms = file.vms.map(({ vm }) => vm);
  const state = createSwitch({ site, vms, startedAtUs: monotonicUs() });
  let trunk: TrunkEnd | null = null;
  const dispatch = (input: SwitchInput): void => {
    for (const effect of stepSwitch(state, { ...input, nowUs: monotonicUs() })) perform(effect);
  };
  const perform = (effect: SwitchEffect): void => {
    switch (effect.kind) {
      case "send-host":
        acceptor.send(effect.conn, encodeFromSwitch(effect.frame));
        return;
      case "send-trunk":
        trunk?.send(effect.conn, effect.frame);
        return;
      case "write-client":
      case "end-client":
      case "reset-client":
      case "pause-client":
      case "resume-client":
        clients.perform(effect);
        return;
      case "want-turn":
        return void setImmediate(dispatch, { kind: "turn" });
      case "note": {
        const { what, ...fields } = effect.note;
        reporter.event(what, fields);
        return;
      }
      case "mark":
        reporter.mark(effect.mark);
        return;
      default:
        unreachable(effect);
    }
  };
  const clients = createClientSockets(site, dispatch);
  const acceptor = await acceptHosts({
    endpoint: file.listen,
    self,
    reporter,
    parse: parseToSwitch,
    up: (conn, host) => dispatch({ kind: "host-up", conn, host }),
    down: (conn) => dispatch({ kind: "host-down", conn }),
    frame: (conn, frame) => dispatch({ kind: "host-frame", conn, frame }),
  });
  if (file.trunk !== null) trunk = await openTrunk({ file: file.trunk, self, reporter, dispatch });
  for (const { vm, client } of file.vms) await clients.listen(vm, client);
  const lag = createLagMeter(TICK_MS);
  setInterval(() => {
    lag.tick(monotonicMs());
    dispatch({ kind: "tick" });
  }, TICK_MS);
  return {
    quiesce(done) {
      clients.stopIntake();
      dispatch({ kind: "report" });
      done({});
    },
    release: () => clients.resumeIntake(),
    operate: () => false,
    farewell: () => dispatch({ kind: "report" }),
    status() {
      const vms = statusOf(state);
      return { switch: file.switch, vms, lag: lag.take(), marks: reporter.marks() };
    },
  };
}

function statusOf(state: SwitchState): readonly Fields[] {
  return [...state.vms.values()].map(({ vm, followed, sessions }) => ({
    vm,
    followed: followed?.announcement ?? null,
    via: followed?.way?.via ?? null,
    sessions: sessions.size,
  }));
}
