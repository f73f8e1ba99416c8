/** What a group of rows is given. */
export interface Bench {
  /** `--full` was asked for. */
  readonly isFull: boolean;
  /** How often: the first without `--full`, the second with it. */
  count(normal: number, full: number): number;
  /** One line of progress for people. */
  readonly say: (line: string) => void;
}
