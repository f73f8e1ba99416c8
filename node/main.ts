/**
 * One process of ours: `node main.js --file <process file> [--guard none]`.
 *
 * stdout carries one line, `ready {"pid":…}`, once everything is bound; stderr what ended the process. Its stdin is a guard pipe: its end says that
 * whoever started the process is gone. How it ended is its exit status (EXIT in wire/control.ts).
 */
import { runHost } from "./io/host-process.ts";
import { runQuorum } from "./io/quorum-process.ts";
import { runProcess } from "./io/run-process.ts";
import { runSwitch } from "./io/switch-process.ts";

runProcess({ host: runHost, quorum: runQuorum, switch: runSwitch });
