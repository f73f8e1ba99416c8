/**
 * Runs a program that does not notice its starter's death so that it dies with it, however that ends.
 *
 *     harness ──pipe──► watcher (sh) ─kill─► program (leader of its process group)
 *
 * The shell forks the watcher and then *becomes* the program: the pid that was spawned is the program's, its exit is seen directly. At the
 * pipe's end of file the watcher removes `trash` and kills the group. When the program has ended by itself (Node then closes the pipe)
 * only the watcher goes; it cannot hit a stranger, since no process gets a number that a living group still has. `setpriv --pdeathsig`
 * would do without a watcher, but not where the harness dies between fork and prctl, and only on Linux.
 */
const SCRIPT = `exec 3<&0
(while read -r word; do :; done <&3
kill -0 "$$" 2>/dev/null || exit 0
[ -z "$0" ] || rm -rf -- "$0"
kill -s KILL -- "-$$") &
exec "$@" </dev/null 3<&-`;

/**
 * The command to spawn, with a pipe as stdin and as leader of a process group of its own (`detached`).
 * `trash`: folder to remove when the starter dies; null: none.
 */
export function guarded(
  command: readonly string[],
  trash: string | null,
): { readonly file: string; readonly args: readonly string[] } {
  return { file: "/bin/sh", args: ["-c", SCRIPT, trash ?? "", ...command] };
}
