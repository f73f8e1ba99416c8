/** Reads the file that a bed writes for a process (node/ports/process-file.ts). A wrong file is named with the field that is wrong. */
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import * as v from "valibot";
import { checkTiming } from "../core/timing.ts";
import type { HostFile, ProcessFile } from "../ports/process-file.ts";
import { codeOf, EndProcess } from "./end-process.ts";

const name = v.pipe(
  v.string(),
  v.regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, "must be 1 to 64 letters, digits, '.', '_' or '-'"),
);
const path = v.pipe(v.string(), v.nonEmpty("must name a file"));
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const positive = v.pipe(v.number(), v.safeInteger(), v.minValue(1));
const span = v.pipe(v.number(), v.finite(), v.minValue(0));
const address = v.pipe(
  v.string(),
  v.check((text) => isIP(text) !== 0, "must be a numeric address"),
);
const endpoint = v.object({
  address,
  port: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_535)),
});

const base = {
  schema: v.literal(1),
  cluster: name,
  secretFile: path,
  control: endpoint,
  logFile: path,
};

const timing = v.object({
  beat: span,
  lease: span,
  rateBound: span,
  claimWait: span,
  silence: span,
  tick: v.pipe(span, v.minValue(1)),
  lateTick: span,
  stepTimeout: span,
  quorumBeat: span,
  quorumLost: span,
  claimRetry: span,
  diskStall: span,
  redial: v.pipe(span, v.minValue(1)),
  rejoin: span,
  quorumBack: span,
  intentWarm: span,
});

const volume = v.object({
  id: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(65_535)),
  blocks: v.pipe(positive, v.maxValue(2 ** 32 - 1)),
});

const vm = v.object({
  vm: name,
  hosts: v.tuple([name, name]),
  volumes: v.pipe(v.array(volume), v.minLength(1), v.maxLength(64)),
  guest: path,
  memoryPages: v.pipe(positive, v.maxValue(65_536)),
  preferred: name,
  protect: v.nullable(name),
  peerLoss: v.picklist(["preferred", "continue"]),
  bootDelayMs: count,
});

interface End {
  readonly listen: object | null;
  readonly dial: object | null;
}

const isOneEnd = ({ listen, dial }: End): boolean => (listen === null) !== (dial === null);
const ONE_END = "must have exactly one of listen and dial";

const hostPath = v.pipe(
  v.object({
    id: name,
    role: v.picklist(["alink", "mgmt"]),
    peer: name,
    listen: v.nullable(endpoint),
    dial: v.nullable(endpoint),
    from: v.nullable(address),
  }),
  v.check((end) => isOneEnd(end), ONE_END),
);

const trunk = v.pipe(
  v.object({ peer: name, listen: v.nullable(endpoint), dial: v.nullable(endpoint) }),
  v.check((end) => isOneEnd(end), ONE_END),
);

const dialled = v.object({ id: name, dial: endpoint });

const FileSchema = v.variant("role", [
  v.object({
    ...base,
    role: v.literal("host"),
    host: name,
    diskFile: path,
    destageSeed: v.pipe(v.number(), v.safeInteger()),
    timing,
    vms: v.pipe(v.array(vm), v.minLength(1)),
    paths: v.array(hostPath),
    services: v.pipe(v.array(dialled), v.maxLength(16)),
    switches: v.array(dialled),
  }),
  v.object({
    ...base,
    role: v.literal("quorum"),
    service: name,
    storeFile: path,
    confirmAfterRestart: v.boolean(),
    listen: endpoint,
  }),
  v.object({
    ...base,
    role: v.literal("switch"),
    switch: name,
    site: v.pipe(positive, v.maxValue(15)),
    trunk: v.nullable(trunk),
    listen: endpoint,
    vms: v.array(v.object({ vm: name, client: endpoint })),
  }),
]);

const SecretSchema = v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/));

/** @throws EndProcess badFile, whose message names file and field */
export function readProcessFile(file: string): ProcessFile {
  const parsed = v.safeParse(FileSchema, jsonOf(file));
  if (!parsed.success) {
    const [issue] = parsed.issues;
    throw badFile(file, `${v.getDotPath(issue) ?? "the document"}: ${issue.message}`);
  }
  if (parsed.output.role === "host") checkHostFile(file, parsed.output);
  return parsed.output;
}

/** @throws EndProcess badFile; the message never quotes the file */
export function readSecret(file: string): string {
  const parsed = v.safeParse(SecretSchema, textOf(file).trim());
  if (!parsed.success) throw badFile(file, "must hold 32 hexadecimal digits");
  return parsed.output;
}

function checkHostFile(
  file: string,
  { host, vms, paths, services, switches, timing: table }: HostFile,
): void {
  for (const [index, { hosts, preferred, protect }] of vms.entries()) {
    if (!hosts.includes(host)) throw badFile(file, `vms.${index}.hosts: must hold ${host}`);
    if (hosts[0] === hosts[1]) throw badFile(file, `vms.${index}.hosts: must differ`);
    if (!hosts.includes(preferred))
      throw badFile(file, `vms.${index}.preferred: must be one of hosts`);
    if (protect !== null && !hosts.includes(protect)) {
      throw badFile(file, `vms.${index}.protect: must be one of hosts`);
    }
  }
  const lists = {
    vms: vms.map((it) => it.vm),
    paths: paths.map((it) => `${it.peer} ${it.id}`),
    services: services.map((it) => it.id),
    switches: switches.map((it) => it.id),
  };
  for (const [field, names] of Object.entries(lists)) {
    if (new Set(names).size < names.length) throw badFile(file, `${field}: a name stands twice`);
  }
  try {
    // At distance 0 the relations are at their weakest; the bed knows the real one.
    checkTiming(table, { peer: 0, quorum: 0 });
  } catch (error: unknown) {
    throw badFile(file, `timing: must hold that ${codeOf(error)}`, error);
  }
}

function jsonOf(file: string): unknown {
  const text = textOf(file);
  try {
    return JSON.parse(text);
  } catch (error: unknown) {
    throw badFile(file, codeOf(error), error);
  }
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error: unknown) {
    throw badFile(file, codeOf(error), error);
  }
}

function badFile(file: string, why: string, cause?: unknown): EndProcess {
  return new EndProcess("badFile", `${file}: ${why}`, cause);
}
