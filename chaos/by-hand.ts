/** Faults that a person injects into a running cluster, one by one, and heals when he likes. */
import * as v from "valibot";
import type { FaultView } from "../harness/cluster/control.ts";
import { HarnessError } from "../harness/errors.ts";
import type { Rig, SavedDisk } from "../harness/rig/rig.ts";
import type { ActiveFault } from "./faults/fault.ts";
import { describeFaults, inject } from "./faults/registry.ts";
import { commandHost } from "./operate.ts";
import { handFaultSchema, handOperatorSchema } from "./plan/steps.ts";

/** From a command to its answer; those that move a VM take a boot. */
const SETTLED_WITHIN_US = 10_000_000;

interface Injected {
  readonly id: number;
  readonly fault: string;
  readonly forMs: number | null;
  readonly active: ActiveFault;
  isHealed: boolean;
  /** Of a healed one. */
  proof: FaultView["proof"];
  timers: NodeJS.Timeout[];
}

/** Fields that a fault takes, in the order of its schema; `forMs` aside. */
export function faultFields(fault: string): readonly string[] {
  const found = handFaultSchema.options.find(({ entries }) => entries.fault.literal === fault);
  return Object.keys(found?.entries ?? {}).filter((name) => name !== "fault" && name !== "forMs");
}

/** Calls must not overlap: a rig has one flow of control. */
export class HandFaults {
  readonly #rig: Rig;
  readonly #images: readonly SavedDisk[];
  /** Runs what a timer wants done when no call is under way. */
  readonly #whenFree: (act: () => Promise<void>) => void;
  readonly #injected: Injected[] = [];

  /** @param images of the hosts' disks, for `old-disk` */
  constructor(
    rig: Rig,
    images: readonly SavedDisk[],
    whenFree: (act: () => Promise<void>) => void,
  ) {
    this.#rig = rig;
    this.#images = images;
    this.#whenFree = whenFree;
  }

  /** @throws HarnessError BAD_SCENARIO for a fault that does not exist, wrong fields, or a target that does not exist */
  async inject(
    fields: Readonly<Record<string, unknown>>,
    forMs: number | null,
  ): Promise<FaultView> {
    const spec = read(handFaultSchema, fields, forMs);
    const active = await inject(spec, this.#rig, { images: this.#images });
    const id = this.#injected.length + 1;
    const healAfterMs = active.healAfterMs ?? forMs;
    const injected: Injected = {
      id,
      fault: spec.fault,
      forMs: healAfterMs,
      active,
      isHealed: false,
      proof: null,
      timers: [],
    };
    this.#injected.push(injected);
    const { target, at } = active;
    const head = { fault: spec.fault, target, atInjectUs: at, step: id };
    this.#rig.report("fault", { ...head, state: "injected" });
    if (forMs !== null) {
      for (const part of active.parts ?? []) {
        this.#later(injected, part.afterMs, () => part.heal());
      }
    }
    if (healAfterMs !== null && forMs !== null) {
      this.#later(injected, healAfterMs, () => this.#heal(injected));
    }
    return viewOf(injected);
  }

  /** @param id null: all that are active. @throws HarnessError BAD_SCENARIO for an id that was never given */
  async heal(id: number | null): Promise<readonly FaultView[]> {
    const meant = this.#injected.filter((it) => (id === null ? !it.isHealed : it.id === id));
    if (id !== null && meant.length === 0) {
      throw new HarnessError("BAD_SCENARIO", `no fault has the number ${id}`, {
        hint: "faultline status lists them.",
      });
    }
    // The newest first, as they lie upon each other.
    for (const injected of meant.toReversed()) await this.#heal(injected);
    return meant.map(viewOf);
  }

  /** @throws HarnessError BAD_SCENARIO for a command that does not exist, or a dead host */
  async operate(host: string, fields: Readonly<Record<string, unknown>>): Promise<FaultView> {
    const step = {
      ...read(handOperatorSchema, { ...fields, on: host }, null),
      atMs: 0,
      when: null,
    };
    const given = await commandHost(step, this.#rig);
    const deadline = this.#rig.now() + SETTLED_WITHIN_US;
    await this.#rig.waitFor(() => given.isSettled?.() ?? true, deadline);
    const { target, at } = given;
    const proof = given.proof();
    return { id: 0, fault: step.operator, target, at, state: "healed", forMs: null, proof };
  }

  list(): readonly FaultView[] {
    return this.#injected.map(viewOf);
  }

  /** No timer fires any more. */
  close(): void {
    for (const { timers } of this.#injected) for (const timer of timers) clearTimeout(timer);
  }

  #later(injected: Injected, afterMs: number, act: () => Promise<void>): void {
    const timer = setTimeout(() => {
      this.#whenFree(async () => {
        if (!injected.isHealed) await act();
      });
    }, afterMs);
    injected.timers.push(timer);
  }

  async #heal(injected: Injected): Promise<void> {
    if (injected.isHealed) return;
    const { id, fault, active, timers } = injected;
    for (const timer of timers) clearTimeout(timer);
    injected.isHealed = true;
    injected.proof = active.proof();
    await active.heal();
    // A plan has another step for that; whoever heals by hand means that it comes back.
    if (fault === "kill-host") await this.#rig.start(active.target);
    const { target, at } = active;
    const head = { fault, target, atInjectUs: at, step: id };
    this.#rig.report("proof", { ...head, ...injected.proof });
    this.#rig.report("fault", { ...head, state: "healed" });
  }
}

function viewOf({ id, fault, forMs, active, isHealed, proof }: Injected): FaultView {
  const { target, at } = active;
  return {
    id,
    fault,
    target,
    at,
    state: isHealed ? "healed" : "active",
    forMs,
    proof: isHealed ? proof : active.proof(),
  };
}

function read<Schema extends v.GenericSchema>(
  schema: Schema,
  fields: Readonly<Record<string, unknown>>,
  forMs: number | null,
): v.InferOutput<Schema> {
  const timed = forMs === null ? fields : { ...fields, forMs };
  const parsed = v.safeParse(schema, timed);
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  const where = v.getDotPath(issue);
  const what = String(fields["fault"] ?? fields["operator"]);
  const isKnown = describeFaults().some(({ fault }) => fault === what) || "operator" in fields;
  const isMissing = issue.kind === "schema" && issue.received === "undefined";
  const why = isMissing ? `"${where}" is missing` : `${where ?? ""} ${issue.message}`.trim();
  const message = isKnown ? `${what}: ${why}` : `there is no fault "${what}"`;
  throw new HarnessError("BAD_SCENARIO", message, {
    hint: "faultline fault list names the faults and what each takes.",
  });
}
