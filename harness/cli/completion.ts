/** Completion for shells, made from the program's own commands and options. */

/** What commander knows of a command; its own type has the types of every option in it. */
export interface CommandLike {
  name(): string;
  readonly options: readonly {
    readonly long?: string | undefined;
    readonly short?: string | undefined;
  }[];
  readonly commands: readonly CommandLike[];
}

/** Words after a command, beside its options. */
export type Arguments = Readonly<Record<string, readonly string[]>>;

export const SHELLS = ["bash", "zsh"] as const;

export function completionFor(
  shell: (typeof SHELLS)[number],
  program: CommandLike,
  words: Arguments,
): string {
  const cases = program.commands.map((command) => {
    const options = command.options.flatMap(({ long, short }) => [long, short]);
    const all = [...options, "--help", ...(words[command.name()] ?? [])];
    return `    ${command.name()}) words="${all.filter((word) => word !== undefined).join(" ")}" ;;`;
  });
  const commands = program.commands.map((command) => command.name()).join(" ");
  const script = `_faultline() {
  local words current="\${COMP_WORDS[COMP_CWORD]}"
  case "\${COMP_WORDS[1]}" in
${cases.join("\n")}
    *) words="${commands} --help --version" ;;
  esac
  [ "$COMP_CWORD" -eq 1 ] && words="${commands} --help --version"
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  [ \${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- "$current"))
}
complete -F _faultline faultline
`;
  // zsh runs bash's completions once it is told to.
  return shell === "bash" ? script : `autoload -U +X bashcompinit && bashcompinit\n${script}`;
}
