/** Compares two hosts' disks, in whatever state they are, and says what each of them says of itself. Never writes. */
import { statSync } from "node:fs";
import { resolve } from "node:path";
import { painter } from "../../reports/screen.ts";
import type { BadBlock, VolumeFigures } from "../check/block-compare.ts";
import {
  type DiskBytes,
  type DiskFile,
  type DiskImage,
  openDiskFile,
  readDisk,
  type VmImage,
} from "../check/disk-image.ts";
import { auditImages, type DivergenceFigures } from "../check/divergence.ts";
import { composeVerdict, EXIT_STATUS } from "../check/verdict.ts";
import { HarnessError } from "../errors.ts";
import { canonicalJson } from "../record/json.ts";
import { type CheckResult, RECORD_SCHEMA, type Verdict } from "../record/types.ts";
import { UsageError } from "./failure.ts";
import { row } from "./rows.ts";
import type { Shell } from "./shell.ts";

/** A disk as it was found. */
interface FoundDisk {
  readonly side: "left" | "right";
  /** As it was named. */
  readonly path: string;
  readonly state: "formatted" | "blank" | "damaged" | "unreadable" | "missing";
  /** Unit: bytes; null: there is no file. */
  readonly sizeBytes: number | null;
  /** What is wrong with it; null: nothing. */
  readonly error: Failure | null;
  readonly image: DiskImage | null;
  readonly disk: DiskFile | null;
}

interface Failure {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
}

interface Audit {
  readonly verdict: Verdict;
  readonly why: string;
  readonly disks: readonly [FoundDisk, FoundDisk];
  /** Null: the disks do not belong together. */
  readonly figures: DivergenceFigures | null;
  /** Set with verdict `broken`. */
  readonly broken: Failure | null;
}

const NOTHING: DiskBytes = { size: 0, read: (_offset, length) => new Uint8Array(length) };

/**
 * @returns the exit status: that of the verdict. `unknown` when a disk is missing or cannot be read, `broken` when the two do not belong
 * together
 * @throws UsageError when neither file exists, or both names mean one file
 */
export function auditCommand(
  paths: readonly [left: string, right: string],
  options: { readonly json: boolean },
  shell: Shell,
): number {
  refuseWrongPaths(paths, shell);
  const disks = [findDisk("left", paths[0], shell), findDisk("right", paths[1], shell)] as const;
  try {
    const audit = compare(disks);
    if (options.json) shell.out(`${canonicalJson(documentOf(audit), 2)}\n`);
    else shell.out(render(audit, shell));
    return EXIT_STATUS[audit.verdict];
  } finally {
    for (const { disk } of disks) disk?.close();
  }
}

function refuseWrongPaths(paths: readonly [string, string], { cwd }: Shell): void {
  const stats = paths.map((path) => statSync(resolve(cwd, path), { throwIfNoEntry: false }));
  const [left, right] = stats;
  const hint = "Name the disk files of two hosts, for instance disks/a.disk of a run folder.";
  if (left === undefined && right === undefined) {
    throw new UsageError(`there is neither ${paths[0]} nor ${paths[1]}`, hint);
  }
  if (left !== undefined && left.ino === right?.ino && left.dev === right.dev) {
    throw new UsageError(`${paths[0]} and ${paths[1]} are one file`, hint);
  }
}

function findDisk(side: "left" | "right", path: string, { cwd }: Shell): FoundDisk {
  const full = resolve(cwd, path);
  const none = { side, path, image: null, disk: null } as const;
  if (statSync(full, { throwIfNoEntry: false }) === undefined) {
    const message = "there is no such file";
    const hint = "Name the disk of the other host; without it nothing can be compared.";
    const error = { code: "BAD_DISK", message, hint };
    return { ...none, state: "missing", sizeBytes: null, error };
  }
  let disk: DiskFile | null = null;
  try {
    disk = openDiskFile(full);
    const image = readDisk(disk);
    return { side, path, state: image.kind, sizeBytes: disk.size, error: null, image, disk };
  } catch (error: unknown) {
    disk?.close();
    const state = disk === null ? "unreadable" : "damaged";
    return { ...none, state, sizeBytes: disk?.size ?? null, error: failureOf(error) };
  }
}

function compare(disks: readonly [FoundDisk, FoundDisk]): Audit {
  const [left, right] = disks;
  try {
    const figures = auditImages(readOf(left), readOf(right));
    const unread = disks.filter(({ image }) => image === null);
    const doubts = unread.map(({ side, state }): CheckResult => {
      return { name: side, verdict: "unknown", why: `the ${side} disk is ${state}` };
    });
    const checks = [figures.check, ...doubts];
    const verdict = composeVerdict(doubts.length === 0 ? checks : [...doubts, ...failed(checks)]);
    const why = checks.filter((check) => check.verdict === verdict).map((check) => check.why);
    return { verdict, why: why.join("; "), disks, figures, broken: null };
  } catch (error: unknown) {
    const broken = failureOf(error);
    return { verdict: "broken", why: broken.message, disks, figures: null, broken };
  }
}

/** What cannot be read counts as blank: what is wrong with the other disk shows all the same. */
function readOf({ disk, image }: FoundDisk): {
  readonly disk: DiskBytes;
  readonly image: DiskImage;
} {
  return { disk: disk ?? NOTHING, image: image ?? { kind: "blank" } };
}

function failed(checks: readonly CheckResult[]): readonly CheckResult[] {
  return checks.filter(({ verdict }) => verdict === "fail");
}

function failureOf(error: unknown): Failure {
  if (!(error instanceof HarnessError)) throw error;
  const { code, message, hint } = error;
  return { code, message, hint };
}

/** What `--json` prints. */
function documentOf({ verdict, why, disks, figures, broken }: Audit): object {
  return {
    schema: RECORD_SCHEMA,
    verdict,
    why,
    disks: disks.map(({ side, path, state, sizeBytes, error, image }) => {
      const named = { side, path, state, sizeBytes, error };
      if (image?.kind !== "formatted") return { ...named, host: null, cluster: null, vms: [] };
      const vms = image.vms.map(({ vm, page }) => ({ vm, page }));
      return { ...named, host: image.host, cluster: image.cluster, vms };
    }),
    // Beside a disk that cannot be read nothing is said of agreement.
    divergence: disks.every(({ image }) => image !== null) ? (figures?.divergence ?? null) : null,
    isSplit: figures?.isSplit ?? false,
    volumes: figures?.volumes ?? [],
    broken,
  };
}

function render(audit: Audit, { outScreen }: Shell): string {
  const paint = painter(outScreen);
  const { verdict, why, disks, figures, broken } = audit;
  const colour = verdict === "pass" ? "green" : verdict === "unknown" ? "yellow" : "red";
  const [left, right] = disks;
  const lines = [
    `${paint(colour, paint("bold", verdict.toUpperCase()))}  ${left.path}  ${right.path}`,
    "",
    ...row(broken === null ? "why" : broken.code, why, outScreen),
    ...(broken === null ? [] : row("hint", broken.hint, outScreen)),
    ...disks.flatMap((disk) => ["", ...diskRows(disk).flatMap((it) => row(...it, outScreen))]),
    ...(figures?.volumes ?? []).flatMap((volume) => [
      "",
      ...volumeRows(volume, audit).flatMap((it) => row(...it, outScreen)),
    ]),
  ];
  return `${lines.join("\n")}\n`;
}

type Row = readonly [label: string, text: string];

function diskRows({ side, path, state, sizeBytes, error, image }: FoundDisk): readonly Row[] {
  const size = sizeBytes === null ? "" : `, ${sizeBytes} bytes`;
  if (error !== null) {
    return [
      [side, `${path}: ${state}${size}`],
      [error.code, error.message],
      ["hint", error.hint],
    ];
  }
  if (image?.kind !== "formatted") return [[side, `${path}: ${state}, never formatted${size}`]];
  const { host, cluster, vms } = image;
  return [[side, `${path}: host ${host} of cluster ${cluster}${size}`], ...vms.map(vmRow)];
}

function vmRow({ vm, page }: VmImage): Row {
  if (page === null) {
    return [vm, "both metadata pages are bad: the host is in quarantine, its copy counts as void"];
  }
  const { right, copy, gen, hold } = page;
  const generation =
    gen === null ? "no generation yet" : `${gen.kind} generation ${gen.n} (${gen.id})`;
  return [vm, `right ${right}, copy ${copy}, ${generation}, hold ${hold ?? "none"}`];
}

const WAYS = { none: "", one: ", one way", two: ", two ways" } as const;
/** Blocks named in a row; `--json` has more. */
const SHOWN_MAX = 10;

function volumeRows(volume: VolumeFigures, { disks, figures }: Audit): readonly Row[] {
  const { known, silent, way, changed, silentBlocks, bad, badBlocks } = volume;
  const name = `${volume.vm} vol ${volume.volume}`;
  const badRows: readonly Row[] = [
    ["bad", `${badBlocks.torn + badBlocks.other}${describeBad(badBlocks)}`],
    ...bad.slice(0, SHOWN_MAX).map(badRow),
  ];
  const alone = disks.find(({ image }) => image === null);
  if (alone !== undefined) {
    const side = alone.side === "left" ? "right" : "left";
    const text = `${volume.blocks} blocks, ${volume.compared} written on the ${side}, compared with nothing`;
    return [[name, text], ...badRows];
  }
  const total = known.dirty + known.intents + known.void;
  const both = `${changed.left} blocks were changed on the left, ${changed.right} on the right, ${changed.both} of them on both`;
  return [
    [name, `${volume.blocks} blocks, ${volume.compared} written on either side and compared`],
    ["differing", `${total + silent}${WAYS[way]}`],
    ["known", `${total}${describeKnown(known)}`],
    ["silent", silent === 0 ? "0" : `${silent}: ${named(silentBlocks, silent)}`],
    ...(figures?.isSplit === true ? [["split brain", both] as const] : []),
    ...badRows,
  ];
}

function describeKnown(known: VolumeFigures["known"]): string {
  const parts = [
    known.dirty === 0 ? [] : `${known.dirty} in a dirty map`,
    known.intents === 0 ? [] : `${known.intents} in the intent logs`,
    known.void === 0 ? [] : `${known.void} beside a copy that holds nothing`,
  ].flat();
  return parts.length === 0 ? "" : `: ${parts.join(", ")}`;
}

function describeBad({ torn, other }: VolumeFigures["badBlocks"]): string {
  if (torn + other === 0) return "";
  return `: ${torn} torn (in an intent log, or in a resync), ${other} elsewhere (rot, lost or misdirected)`;
}

function named(blocks: readonly { readonly lba: number }[], count: number): string {
  const shown = blocks.slice(0, SHOWN_MAX).map(({ lba }) => lba);
  return `${count === 1 ? "block" : "blocks"} ${shown.join(", ")}${count > shown.length ? ", …" : ""}`;
}

function badRow({ side, lba, why, isTorn }: BadBlock): Row {
  return ["", `${side}, block ${lba}${isTorn ? " (torn)" : ""}: ${why}`];
}
