import { GuestFault } from "./guest-fault.ts";

export interface GuestMemory {
  readonly pages: number;
  readonly memory: WebAssembly.Memory;
  all(): Uint8Array;
  /**
   * A view, valid until the guest runs again.
   *
   * @throws GuestFault when the range leaves the memory
   */
  range(pointer: number, length: number): Uint8Array;
}

/** Memory that cannot grow: its size is part of the machine's specification, not of what the guest does. */
export function createGuestMemory(pages: number): GuestMemory {
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  let view = new Uint8Array(memory.buffer);

  function all(): Uint8Array {
    // A `memory.grow` by 0 pages succeeds, and detaches the buffer.
    if (view.length === 0) view = new Uint8Array(memory.buffer);
    return view;
  }

  return {
    pages,
    memory,
    all,
    range(pointer, length) {
      const bytes = all();
      const from = pointer >>> 0;
      const size = length >>> 0;
      if (from + size <= bytes.length) return bytes.subarray(from, from + size);
      throw new GuestFault(`${size} bytes at ${from} leave a memory of ${bytes.length} bytes`);
    },
  };
}
