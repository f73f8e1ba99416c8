/**
 * A simulated pair under the reference workload to which nothing happens: `calm-sim.js <seed> <seconds>` prints a line for everything that must not
 * happen then. Exit status 3 when the pair does not come up.
 */
import { startSim } from "../../harness/sim/start-sim.ts";
import { alarmLine } from "./false-failovers.ts";
import { REFERENCE, referenceLoad, untilRedundant } from "./pair.ts";

const [seed = 1, seconds = 60] = process.argv.slice(2).map(Number);
const rig = await startSim({ ...REFERENCE, seed }, { runDir: null, scenario: "bench/calm" });
await untilRedundant(rig);
const spec = referenceLoad("sim", seed);
const workload = await rig.startWorkload(spec);
await rig.until(rig.now() + spec.warmUpMs * 1_000);
await workload.phase("calm");
const from = rig.now();
await rig.until(from + seconds * 1_000_000);
const seen = rig.events().filter(({ at }) => at >= from);
for (const line of seen.flatMap(alarmLine)) process.stdout.write(`${line} (seed ${seed})\n`);
process.stdout.write("", () => process.exit(0));
