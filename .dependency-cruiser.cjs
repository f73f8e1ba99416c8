/**
 * Imports flow one way. `only` says what a folder may import of ours; type-only imports count.
 * @type {import("dependency-cruiser").IConfiguration}
 */
const only = (name, from, allowed, fromNot) => ({
  name,
  severity: "error",
  from: fromNot === undefined ? { path: from } : { path: from, pathNot: fromNot },
  to: { path: "^(node|harness|chaos|suites|reports)/", pathNot: allowed },
});

/** Modules of Node and of npm, type-only packages among them. */
const OUTSIDE = ["core", "npm", "npm-dev", "npm-optional", "npm-peer", "npm-no-pkg", "npm-unknown"];

module.exports = {
  forbidden: [
    only("core-is-the-bottom", "^node/core/", "^node/core/"),
    only("ports-name-core-types", "^node/ports/", "^node/(core|ports)/"),
    only("wire-carries-core-types", "^node/wire/", "^node/(core|wire)/"),
    only("machine-knows-no-io", "^node/machine/", "^node/(core|ports|machine)/"),
    only("node-knows-no-harness", "^node/", "^node/"),
    only(
      "beds-drive-hosts",
      "^harness/",
      "^(harness/(?!cli/)|node/(core|ports|machine|wire)/)",
      "^harness/cli/",
    ),
    only("chaos-sits-on-the-rig", "^chaos/", "^(chaos/|harness/(?!cli/)|node/core/)"),
    only("reports-read-records", "^reports/", "^(reports/|harness/(record|check)/)"),
    only("cli-is-the-root", "^harness/cli/", "^(node|harness|chaos|reports)/"),
    {
      name: "audit-is-a-second-reader",
      comment: "A checker that shares code with the hosts shares their mistakes, however far away.",
      severity: "error",
      from: { path: "^harness/check/" },
      to: { path: "^node/", reachable: true },
    },
    {
      name: "nobody-imports-the-roots",
      severity: "error",
      from: { pathNot: "^(suites|harness/cli)/" },
      to: { path: "^(suites|harness/cli)/" },
    },
    {
      name: "core-is-pure",
      severity: "error",
      from: { path: "^node/core/" },
      to: { dependencyTypes: OUTSIDE },
    },
    {
      name: "ports-are-interfaces",
      severity: "error",
      from: { path: "^node/ports/" },
      to: { dependencyTypes: OUTSIDE },
    },
    {
      name: "bytes-need-no-io",
      comment: "Checksums and hashes are pure; nothing else of Node's is.",
      severity: "error",
      from: { path: "^node/(wire|machine)/" },
      to: { dependencyTypes: OUTSIDE, pathNot: "^(node:)?(zlib|crypto)$" },
    },
    {
      name: "no-cycles",
      severity: "error",
      from: {},
      to: { circular: true },
    },
    {
      name: "every-import-resolves",
      severity: "error",
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: {
      extensions: [".ts", ".js"],
      exportsFields: ["exports"],
      conditionNames: ["import", "node", "default", "types"],
    },
    doNotFollow: { path: "node_modules" },
    exclude: { path: "^(node/guests|dist)/" },
  },
};
