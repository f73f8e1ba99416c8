/**
 * Waits for `work`, but no longer than `withinMs`. What was under way goes on; its later failure is dropped.
 *
 * @throws the error of `onLate()` when the deadline came first
 */
export async function within<Value>(
  work: Promise<Value>,
  withinMs: number,
  onLate: () => Error,
): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(onLate()), withinMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Resolves after `spanMs`; for polls of things that tell nobody when they change. */
export function pause(spanMs: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, spanMs);
  });
}
