export interface Edit {
  readonly file: string;
  /** Stands in the file exactly once. */
  readonly find: string;
  readonly replace: string;
}

/** A real mistake of this field. The program still builds with it, and a calm pair still becomes duplex and serves. */
export interface Mutation {
  /** What the program does, as a reviewer of it would say. */
  readonly name: string;
  /** What it breaks: rules of docs/ARCHITECTURE.md. */
  readonly rule: string;
  /** No two of the same place. */
  readonly edits: readonly Edit[];
}
