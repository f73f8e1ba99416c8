/** Real mistakes of this field, each a small edit of the core. A campaign that passes them would prove nothing about the correct code. */
import { DISK_MUTATIONS } from "./mutations/disk.ts";
import { MIRROR_MUTATIONS } from "./mutations/mirror.ts";
import type { Mutation } from "./mutations/mutation.ts";
import { QUORUM_MUTATIONS } from "./mutations/quorum.ts";
import { RESYNC_MUTATIONS } from "./mutations/resync.ts";
import { RIGHTS_MUTATIONS } from "./mutations/rights.ts";

export const MUTATIONS: readonly Mutation[] = [
  ...MIRROR_MUTATIONS,
  ...RESYNC_MUTATIONS,
  ...RIGHTS_MUTATIONS,
  ...QUORUM_MUTATIONS,
  ...DISK_MUTATIONS,
];
