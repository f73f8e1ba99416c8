import { HarnessError, type HarnessErrorCode } from "../errors.ts";
import type { ClusterFile } from "./cluster-file.ts";
import { type ControlAnswer, type ControlRequest, SECRET_HEADER } from "./control.ts";

/** An audit of large disks, or a host that is slow to start, takes its time. */
const ANSWER_WITHIN_MS = 30_000;

/**
 * @returns what the cluster answers: its shape belongs to the request
 * @throws HarnessError CLUSTER_LOST when it does not answer; what it refused, with its own code
 */
export async function askCluster(cluster: ClusterFile, asked: ControlRequest): Promise<unknown> {
  const { address, port } = cluster.control;
  const signal = AbortSignal.timeout(ANSWER_WITHIN_MS);
  let answer: ControlAnswer;
  try {
    const response = await fetch(`http://${address}:${port}/`, {
      method: "POST",
      headers: { [SECRET_HEADER]: cluster.secret, connection: "close" },
      body: JSON.stringify(asked),
      signal,
    });
    // The other end is this program.
    answer = (await response.json()) as ControlAnswer;
  } catch (cause: unknown) {
    const why = signal.aborted ? `no answer within ${ANSWER_WITHIN_MS} ms` : reasonOf(cause);
    throw new HarnessError(
      "CLUSTER_LOST",
      `cluster ${cluster.name} at ${address}:${port}: ${why}`,
      {
        hint: "Look at the terminal in which faultline up runs.",
        cause,
      },
    );
  }
  if (answer.ok) return answer.value;
  // Its codes are this program's.
  throw new HarnessError(answer.code as HarnessErrorCode, answer.message, { hint: answer.hint });
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}
