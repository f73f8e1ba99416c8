/**
 * Finds out from outside whether a link is cut: a connection of our own through its proxy.
 *
 * The probe asks for a WebSocket upgrade and says that it comes from a web page (`Origin`). Every listener of ours refuses that at once,
 * before any hello, so an open link answers. Behind `refuse` the connection is refused; behind `blackhole` and `jam` it is accepted by the
 * proxy and stays silent, whichever direction is cut: one swallows the question, the other the answer. An end without a byte is told apart:
 * the listener is dead, or it refused us and `blackhole`, which lets the end of a stream pass, swallowed what it said.
 */
import { connect } from "node:net";
import type { Endpoint } from "../../node/ports/process-file.ts";

export type ProbeResult = "answered" | "closed" | "refused" | "silent";

/** @param silentAfterMs without a byte or an end in this time it counts as silent */
export function probeLink(link: Endpoint, silentAfterMs: number): Promise<ProbeResult> {
  return new Promise((resolve) => {
    const socket = connect({ host: link.address, port: link.port });
    const end = (result: ProbeResult): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(result);
    };
    const timer = setTimeout(() => end("silent"), silentAfterMs);
    socket.on("connect", () => socket.write(QUESTION));
    socket.on("data", () => end("answered"));
    socket.on("end", () => end("closed"));
    socket.on("error", (error: NodeJS.ErrnoException) => {
      end(error.code === "ECONNREFUSED" ? "refused" : "closed");
    });
  });
}

const QUESTION = [
  "GET / HTTP/1.1",
  "Host: probe.invalid",
  "Origin: http://probe.invalid",
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
  "",
  "",
].join("\r\n");
