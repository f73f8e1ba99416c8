/** Thrown when a rule that only a bug of ours can break is broken. Never caught to go on. */
export class InvariantViolation extends Error {
  override readonly name = "InvariantViolation";
}

/**
 * States a rule that must hold whatever peers, files or clients do.
 *
 * @param rule the rule in the present tense; a stable text, since reports group by it
 * @throws InvariantViolation when the rule is broken
 */
export function invariant(condition: boolean, rule: string): asserts condition {
  if (!condition) throw new InvariantViolation(rule);
}

/** Ends a `switch` over a union: a new variant fails to compile, a forged one crashes. */
export function unreachable(value: never): never {
  throw new InvariantViolation(`no such variant: ${JSON.stringify(value)}`);
}
