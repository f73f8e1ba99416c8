import { createConnection, type Target } from "./connection.ts";
import type { LoadClient } from "./generator.ts";
import type { Recorder } from "./recorder.ts";

/** A client with one operation under way and a pause after each. Attempts to connect are no operations. */
export interface ClosedLoopClient {
  /** Invokes nothing any more; what is under way ends by itself. */
  stop(): void;
  /** What is under way is lost at once. */
  close(): void;
}

export interface ClosedLoopOptions {
  readonly target: Target;
  readonly recorder: Recorder;
  readonly load: LoadClient;
  readonly thinkMs: number;
  readonly isFaultWindow: () => boolean;
}

export function startClient(options: ClosedLoopOptions): ClosedLoopClient {
  const { target, recorder, load, thinkMs, isFaultWindow } = options;
  const slot = recorder.slot();
  let isStopped = false;
  let isWaitingForConnection = true;
  let thinking: NodeJS.Timeout | null = null;
  const connection = createConnection(target, {
    opened() {
      if (isWaitingForConnection) go();
    },
  });

  function go(): void {
    isWaitingForConnection = !connection.isOpen();
    if (isStopped || isWaitingForConnection) return;
    slot.start(load.next(isFaultWindow()), connection, (ending) => {
      load.ended(ending.kind);
      thinking = setTimeout(go, thinkMs);
    });
  }

  return {
    stop() {
      isStopped = true;
      if (thinking !== null) clearTimeout(thinking);
    },
    close: () => connection.close(),
  };
}
