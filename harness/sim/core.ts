/** What the simulator needs of a host core, so that a changed one can stand in its place. */
import type { HostConfig, HostEffect, HostEvent } from "../../node/core/host/contract.ts";
import { createHost, type HostPeek } from "../../node/core/host/host.ts";

export interface Core {
  step(event: HostEvent): readonly HostEffect[];
  peek(): HostPeek;
}

type WithoutNow<Event> = Event extends unknown ? Omit<Event, "now"> : never;
/** An event before the host's clock was read for it. */
export type HostInput = WithoutNow<HostEvent>;

export type MakeCore = (config: HostConfig) => Core;

export const makeCore: MakeCore = (config) => createHost(config);
