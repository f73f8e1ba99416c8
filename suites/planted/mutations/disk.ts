/** What a power failure leaves, and what is made of it at the next start. */
import type { Mutation } from "./mutation.ts";

export const DISK_MUTATIONS: readonly Mutation[] = [
  {
    name: "the metadata page is written over itself",
    rule: "docs/disk-format.md, two slots in turn",
    edits: [
      {
        file: "node/core/disk/store.ts",
        find: "turnOf(disk.layout.page, disk.pageSequence)",
        replace: "disk.layout.page[0]",
      },
    ],
  },
  {
    name: "after a power failure the checksum table is believed",
    rule: "P18",
    edits: [
      {
        file: "node/core/disk/verify.ts",
        find: "    sums[lba] = sum;\n",
        replace: '    sums[lba] = entry.kind === "written" ? entry.sum : sum;\n',
      },
      {
        file: "node/core/disk/verify.ts",
        find: "if (!isWhole && isSuspect(lba))",
        replace: "if (!isWhole && sum < 0)",
      },
    ],
  },
];
